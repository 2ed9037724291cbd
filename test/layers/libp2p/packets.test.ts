import { assert, describe, it } from "@effect/vitest"
import { Uint8ArrayList } from "uint8arraylist"
import * as Packets from "../../../src/layers/libp2p/packets.ts"

const packetOf = (...bytes: ReadonlyArray<number>) => {
  const packet = Packets.afterRoom(new Uint8Array(Packets.withRoom(bytes.length)))
  packet.set(bytes)
  return packet
}

describe("A packet of Noise", () => {
  it("is in one piece with its length, without a copy, and once only", () => {
    const packet = packetOf(7, 8, 9)
    const whole = Packets.withLength(packet)
    assert.deepStrictEqual(whole, Uint8Array.of(0, 3, 7, 8, 9))
    assert.isTrue(whole instanceof Uint8Array && whole.buffer === packet.buffer)
    assert.isTrue(Packets.withLength(packet) instanceof Uint8ArrayList)
  })

  it("has its length in a piece of its own where it is not the last one, and nothing is written in front of it", () => {
    const before = packetOf(1)
    const last = packetOf(2)
    const elsewhere = Uint8Array.of(0xee, 0xee, 3).subarray(2)
    for (const packet of [before, elsewhere, new Uint8ArrayList(last)]) {
      const pieces = Packets.withLength(packet)
      assert.isTrue(pieces instanceof Uint8ArrayList)
      assert.deepStrictEqual(Uint8Array.from(pieces.slice()), Uint8Array.of(0, 1, ...packet.slice()))
    }
    assert.deepStrictEqual(new Uint8Array(elsewhere.buffer), Uint8Array.of(0xee, 0xee, 3))
    assert.deepStrictEqual(Packets.withLength(last), Uint8Array.of(0, 1, 2))
  })

  it("is whole if there is as much as its length says, and something", () => {
    const long = new Uint8Array(0x0102 + 2)
    long.set([1, 2])
    assert.isTrue(Packets.isWhole(long))
    assert.strictEqual(Packets.withoutLength(long).length, 0x0102)
    for (const bytes of [[], [0], [0, 0], [0, 1], [0, 2, 7], [0, 1, 7, 7], [1, 1, 7]]) {
      assert.isFalse(Packets.isWhole(Uint8Array.from(bytes)), String(bytes))
    }
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Packets from "../../../src/layers/libp2p/packets.ts"

const packetOf = (...bytes: ReadonlyArray<number>) => {
  const packet = Packets.afterRoom(new Uint8Array(Packets.withRoom(bytes.length)))
  packet.set(bytes)
  return packet
}

describe("A packet of Noise", () => {
  it("is in one piece with its length, without a copy, and once only", () => {
    const packet = packetOf(7, 8, 9)
    const whole = Packets.inOne([Uint8Array.of(0, 3), packet])
    assert.deepStrictEqual(whole, Uint8Array.of(0, 3, 7, 8, 9))
    assert.strictEqual(whole?.buffer, packet.buffer)
    assert.isUndefined(Packets.inOne([Uint8Array.of(0, 3), packet]))
  })

  it("is left as it is where it is not the last one, or anything but its length is with it", () => {
    const before = packetOf(1)
    const last = packetOf(2)
    const length = Uint8Array.of(0, 1)
    for (const pieces of [
      [length, before],
      [length, Uint8Array.of(2)],
      [last],
      [Uint8Array.of(1), last],
      [length, last, before],
      []
    ]) {
      assert.isUndefined(Packets.inOne(pieces))
    }
    assert.deepStrictEqual(Packets.inOne([length, last]), Uint8Array.of(0, 1, 2))
    assert.deepStrictEqual(before, Uint8Array.of(1))
  })
})

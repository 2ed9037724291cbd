import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as HeldLine from "../../src/protocol/HeldLine.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"

const frame = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const deliver = (seq: number, ack?: number) =>
  frame({ seq, ...(ack === undefined ? {} : { ack }), method: "deliver", params: ["bringOutYourDead"] })
const rejected = (seq: number, target: number, ack: number) =>
  frame({ seq, ack, method: "rejected", params: [target, "No", "refused"] })
const decoded = (one: Uint8Array) => {
  const message = Either.getOrThrow(WireMessage.decode(one))
  assert(message._tag === "Sequenced")
  return message
}

describe("HeldLine.listen", () => {
  it("hears the highest ACK, and how far messages have arrived", () => {
    assert.deepStrictEqual(HeldLine.listen(4, [decoded(deliver(5))], [deliver(6, 2), frame({ ack: 3 }), deliver(7)]), {
      ack: 3,
      through: Infinity,
      arrived: 7,
      credit: undefined
    })
  })

  it("hears what is refused further on, from which on nothing is settled", () => {
    assert.deepStrictEqual(HeldLine.listen(4, [], [deliver(5, 1), rejected(6, 3, 3), frame({ ack: 9 })]), {
      ack: 9,
      through: 2,
      arrived: 6,
      credit: undefined
    })
    assert.strictEqual(HeldLine.listen(4, [decoded(rejected(5, 1, 8))], [frame({ ack: 9 })]).through, 0)
  })

  it("hears the last grant of room", () => {
    const credit = (messages: number) => frame({ credit: { messages, bytes: 1 } })
    assert.deepStrictEqual(HeldLine.listen(4, [], [credit(1), deliver(5), credit(2)]).credit, { messages: 2, bytes: 1 })
    assert.strictEqual(HeldLine.listen(4, [], [frame("?"), credit(2)]).credit, undefined)
  })

  it("passes what was taken already, and stops at what comes too early or makes no sense", () => {
    assert.strictEqual(HeldLine.listen(4, [], [deliver(3, 1), deliver(5, 2), deliver(7, 3)]).ack, 2)
    assert.strictEqual(HeldLine.listen(4, [], [deliver(5, 2), frame("?"), deliver(6, 3)]).ack, 2)
  })
})

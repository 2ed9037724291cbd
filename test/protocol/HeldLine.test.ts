import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
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

  const said = FastCheck.oneof(
    FastCheck.tuple(FastCheck.nat(9), FastCheck.nat(9)).map(([seq, ack]) => ({
      seq: seq + 1,
      ack: ack + 1,
      target: 0
    })),
    FastCheck.tuple(FastCheck.nat(9), FastCheck.nat(9), FastCheck.nat(9)).map(([seq, ack, target]) => ({
      seq: seq + 1,
      ack: ack + 1,
      target: target + 1
    })),
    FastCheck.nat(9).map((ack) => ({ seq: 0, ack: ack + 1, target: 0 }))
  )

  it.prop(
    "hears more the more there is, never beyond what is missing, and settles nothing that is refused in it",
    [FastCheck.nat(9), FastCheck.array(said, { maxLength: 20 })],
    ([received, all]) => {
      const frames = all.map(({ ack, seq, target }) =>
        seq === 0 ? frame({ ack }) : target === 0 ? deliver(seq, ack) : rejected(seq, target, ack)
      )
      let before = HeldLine.listen(received, [], [])
      assert.deepStrictEqual(before, { ack: 0, through: Infinity, arrived: received, credit: undefined })
      frames.forEach((_, index) => {
        const after = HeldLine.listen(received, [], frames.slice(0, index + 1))
        assert.isTrue(after.ack >= before.ack && after.arrived >= before.arrived && after.through <= before.through)
        before = after
      })
      const gap = all.findIndex(
        ({ seq }, index) => seq > HeldLine.listen(received, [], frames.slice(0, index)).arrived + 1
      )
      const heard = gap === -1 ? all : all.slice(0, gap)
      assert.strictEqual(before.ack, Math.max(0, ...heard.map(({ ack }) => ack)))
      assert.strictEqual(
        before.through,
        Math.min(Infinity, ...heard.flatMap(({ target }) => (target > 0 ? [target - 1] : [])))
      )
      for (let seq = received + 1; seq <= before.arrived; seq += 1)
        assert.include(
          heard.map((it) => it.seq),
          seq
        )
    },
    { fastCheck: { numRuns: 10_000 } }
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as ReceiveWindow from "../../src/protocol/ReceiveWindow.ts"

const many = { fastCheck: { numRuns: 10_000 } }
const number = FastCheck.nat(12)

/** In order, as they are made: each answers a later message, in a later message of this side's. */
const refusals = FastCheck.array(
  FastCheck.tuple(FastCheck.integer({ min: 1, max: 3 }), FastCheck.integer({ min: 1, max: 3 })),
  {
    maxLength: 6
  }
).map((gaps) => {
  let reply = 0
  let target = 0
  return gaps.map(([more, further]): ReceiveWindow.Refusal => ({ reply: (reply += more), target: (target += further) }))
})

describe("ReceiveWindow", () => {
  it("takes only the next number", () => {
    assert.deepStrictEqual(
      [1, 4, 5, 6, 7, 99].map((seq) => ReceiveWindow.place(5, seq)),
      ["duplicate", "duplicate", "duplicate", "next", "early", "early"]
    )
    assert.strictEqual(ReceiveWindow.place(0, 1), "next")
  })

  it("passes what the sender gave up with the first message that comes after it", () => {
    assert.deepStrictEqual(
      [5, 6, 8, 9, 10].map((seq) => ReceiveWindow.place(5, seq, 9)),
      ["duplicate", "early", "early", "next", "early"]
    )
    assert.strictEqual(ReceiveWindow.place(9, 10, 9), "next")
    assert.strictEqual(ReceiveWindow.place(9, 9, 9), "duplicate")
  })

  it.prop(
    "has exactly one next number, and only duplicates up to the last",
    [number, number, number],
    ([received, seq, base]) => {
      const place = ReceiveWindow.place(received, seq + 1, base)
      assert.strictEqual(place === "duplicate", seq + 1 <= received)
      const nexts = Array.from({ length: 30 }, (_, index) => index + 1).filter(
        (it) => ReceiveWindow.place(received, it, base) === "next"
      )
      assert.deepStrictEqual(nexts, [Math.max(received + 1, base)])
    },
    many
  )

  it.prop(
    "acknowledges as much as it may: all that is received, short of what is refused by a message not yet on its way",
    [number, refusals, number],
    ([received, refusals, cursor]) => {
      const ack = ReceiveWindow.acknowledgeable(received, refusals, cursor)
      assert.isAtMost(ack, received)
      const untold = refusals.filter(({ reply }) => reply >= cursor).map(({ target }) => target)
      assert.isTrue(untold.every((target) => ack < target))
      assert.strictEqual(ack, Math.min(received, ...untold.map((target) => target - 1)))
    },
    many
  )
})

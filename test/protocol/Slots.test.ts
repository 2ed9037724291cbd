import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Slots from "../../src/protocol/Slots.ts"

const moves = FastCheck.array(FastCheck.record({ peer: FastCheck.nat(6), opens: FastCheck.boolean() }), {
  maxLength: 200
})

const many = { fastCheck: { numRuns: 10_000 } }

describe("Slots", () => {
  it.prop(
    "counts each peer with a channel once, and never more than the limit",
    [FastCheck.integer({ min: 1, max: 5 }), moves],
    ([max, script]) => {
      const held = new Map<number, number>()
      let slots = Slots.make(max)
      for (const { opens, peer } of script) {
        const count = held.get(peer) ?? 0
        if (opens) {
          const taken = Slots.take(slots, count)
          assert.strictEqual(
            taken === undefined,
            count === 0 && [...held.values()].filter((it) => it > 0).length === max
          )
          if (taken === undefined) continue
          slots = taken
          held.set(peer, count + 1)
        } else if (count > 0) {
          slots = Slots.release(slots, count)
          held.set(peer, count - 1)
        }
        assert.strictEqual(slots.used, [...held.values()].filter((it) => it > 0).length)
        assert.isAtMost(slots.used, max)
      }
    },
    many
  )

  it.prop(
    "keeps a quarter of the places for those who are no strangers, whatever the strangers do",
    [FastCheck.integer({ min: 1, max: 100 }), FastCheck.nat(200)],
    ([max, crowd]) => {
      let slots = Slots.make(max)
      for (let index = 0; index < crowd; index += 1) slots = Slots.take(slots, 0, true) ?? slots
      assert.strictEqual(slots.used, Math.min(crowd, Slots.forStrangers(max)))
      for (let left = Math.floor(max / 4); left > 0; left -= 1) {
        const taken = Slots.take(slots, 0)
        assert(taken !== undefined)
        slots = taken
      }
      for (let left = slots.strangers; left > 0; left -= 1) slots = Slots.release(slots, 1, true)
      assert.strictEqual(slots.strangers, 0)
      assert.isDefined(Slots.take(slots, 0, true))
    },
    many
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Rate from "../../src/protocol/Rate.ts"

const rate = FastCheck.tuple(FastCheck.integer({ min: 1, max: 500 }), FastCheck.integer({ min: 1, max: 60_000 })).map(
  ([max, window]): Rate.Rate => ({ max, window })
)
/** Pauses between tries; many of them none. */
const pauses = FastCheck.array(FastCheck.oneof(FastCheck.constant(0), FastCheck.nat(2000)), { maxLength: 200 })
const many = { fastCheck: { numRuns: 1000 } }

/** Tries once after each pause, and gives the moments at which it passed. */
const passing = (limit: Rate.Rate, between: ReadonlyArray<number>): ReadonlyArray<number> => {
  const passed: Array<number> = []
  let state = Rate.empty
  let now = 0
  for (const pause of between) {
    now += pause
    if (Rate.wait(limit, state, now) > 0) continue
    state = Rate.charge(limit, state, now)
    passed.push(now)
  }
  return passed
}

describe("Rate", () => {
  it("lets a burst through, and the rest at the pace of the limit", () => {
    const limit: Rate.Rate = { max: 3, window: 100 }
    let state = Rate.empty
    for (let count = 1; count <= 3; count += 1) {
      assert.strictEqual(Rate.wait(limit, state, 0), 0)
      state = Rate.charge(limit, state, 0)
    }
    assert.strictEqual(Rate.allowance(limit, state, 0), 0)
    assert.strictEqual(Rate.wait(limit, state, 0), 34)
    assert.isAbove(Rate.wait(limit, state, 33), 0)
    assert.strictEqual(Rate.wait(limit, state, 34), 0)
    assert.strictEqual(Rate.allowance(limit, state, 110), 3)
  })

  it.prop(
    "never lets more than its measure through in any stretch of time",
    [rate, pauses],
    ([limit, between]) => {
      const passed = passing(limit, between)
      for (let from = 0; from < passed.length; from += 1) {
        for (let to = from; to < passed.length; to += 1) {
          const stretch = (passed[to] ?? 0) - (passed[from] ?? 0)
          assert.isAtMost(to - from + 1, limit.max + (stretch * limit.max) / limit.window + 1e-3)
        }
      }
    },
    many
  )

  it.prop(
    "who waits as long as told passes, and a millisecond earlier does not",
    [rate, FastCheck.integer({ min: 0, max: 1000 }), FastCheck.nat(100_000)],
    ([limit, count, now]) => {
      const state = Rate.charge(limit, Rate.empty, now, count)
      const millis = Rate.wait(limit, state, now)
      assert.strictEqual(Rate.wait(limit, state, now + millis), 0)
      assert.isAtLeast(Rate.allowance(limit, state, now + millis), 1)
      if (millis > 1) assert.isAbove(Rate.wait(limit, state, now + millis - 1), 0)
    },
    many
  )

  it.prop("allows as many as it then lets through", [rate, FastCheck.nat(1000)], ([limit, count]) => {
    const state = Rate.charge(limit, Rate.empty, 0, count)
    const allowed = Rate.allowance(limit, state, 0)
    assert.strictEqual(passing(limit, Array(600).fill(0)).length, Math.min(600, limit.max))
    assert.strictEqual(allowed, Math.max(0, limit.max - count))
  })

  it.prop("a clock that goes back blocks nobody for longer than a window", [rate], ([limit]) => {
    const state = Rate.charge(limit, Rate.empty, 1e12, limit.max)
    assert.isAtMost(Rate.wait(limit, state, 0), Math.ceil(limit.window / limit.max))
  })

  it("without a limit never waits and remembers nothing", () => {
    const limit = Rate.perSecond(Infinity)
    const state = Rate.charge(limit, Rate.empty, 5, 1e9)
    assert.strictEqual(state, Rate.empty)
    assert.strictEqual(Rate.wait(limit, state, 5), 0)
    assert.strictEqual(Rate.allowance(limit, state, 5), Infinity)
  })

  it("takes back what did not happen, and is empty again after a window", () => {
    const limit = Rate.perMinute(2)
    const state = Rate.charge(limit, Rate.charge(limit, Rate.empty, 0), 0)
    assert.isAbove(Rate.wait(limit, state, 0), 0)
    assert.strictEqual(Rate.wait(limit, Rate.refund(state), 0), 0)
    assert.isFalse(Rate.isEmpty(limit, state, 59_999))
    assert.isTrue(Rate.isEmpty(limit, state, 60_000))
  })
})

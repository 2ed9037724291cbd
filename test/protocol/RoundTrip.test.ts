import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as RoundTrip from "../../src/protocol/RoundTrip.ts"

const many = { fastCheck: { numRuns: 10_000 } }
const samples = FastCheck.array(FastCheck.double({ min: 0, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 50 })
const measured = (all: ReadonlyArray<number>) => all.reduce(RoundTrip.measure, RoundTrip.unmeasured)

describe("RoundTrip", () => {
  it("begins and goes on as RFC 6298 says", () => {
    assert.strictEqual(RoundTrip.timeout(RoundTrip.unmeasured, 0, Infinity), 1000)
    const first = RoundTrip.measure(RoundTrip.unmeasured, 100)
    assert.deepStrictEqual(first, { smoothed: 100, variation: 50 })
    assert.strictEqual(RoundTrip.timeout(first, 0, Infinity), 300)
    const second = RoundTrip.measure(first, 180)
    assert.deepStrictEqual(second, { smoothed: 110, variation: 57.5 })
    assert.strictEqual(RoundTrip.timeout(second, 0, Infinity), 340)
  })

  it.prop(
    "is never outside of what was measured, nor its timeout outside of its bounds",
    [samples],
    (all) => {
      const { smoothed = -1 } = measured(all[0])
      assert.isAtLeast(smoothed, Math.min(...all[0]) - 1e-6)
      assert.isAtMost(smoothed, Math.max(...all[0]) + 1e-6)
      const timeout = RoundTrip.timeout(measured(all[0]), 200, 5000)
      assert.isAtLeast(timeout, Math.min(5000, Math.max(200, smoothed)))
      assert.isAtMost(timeout, 5000)
    },
    many
  )

  it.prop(
    "comes to what is steady",
    [samples, FastCheck.integer({ min: 1, max: 5000 })],
    ([before, steady]) => {
      const timeout = RoundTrip.timeout(measured([...before, ...Array<number>(200).fill(steady)]), 0, Infinity)
      assert.approximately(timeout, steady + 1, 1)
    },
    many
  )
})

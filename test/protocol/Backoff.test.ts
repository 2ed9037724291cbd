import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Backoff from "../../src/protocol/Backoff.ts"

const standard: Backoff.Backoff = { base: 500, cap: 10_000 }

const backoff = FastCheck.tuple(FastCheck.integer({ min: 1, max: 1_000_000 }), FastCheck.nat(1_000_000_000)).map(
  ([base, more]): Backoff.Backoff => ({ base, cap: base + more })
)
const failures = FastCheck.oneof(FastCheck.integer({ min: 1, max: 80 }), FastCheck.integer({ min: 1 }))
const random = FastCheck.oneof(
  FastCheck.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  FastCheck.constantFrom(0, 1 - Number.EPSILON / 2)
)
const many = { fastCheck: { numRuns: 10_000 } }

describe("Backoff", () => {
  it("doubles from the base and stays at the cap", () => {
    const ceilings = (backoff: Backoff.Backoff, count: number) =>
      Array.from({ length: count }, (_, index) => Backoff.ceiling(backoff, index + 1))
    assert.deepStrictEqual(ceilings(standard, 7), [500, 1000, 2000, 4000, 8000, 10_000, 10_000])
    assert.deepStrictEqual(ceilings({ base: 10, cap: 50 }, 4), [10, 20, 40, 50])
    assert.deepStrictEqual(ceilings({ base: 1, cap: 1 }, 3), [1, 1, 1])
  })

  it("does not wait before the first try", () => {
    assert.strictEqual(Backoff.ceiling(standard, 0), 0)
    assert.strictEqual(Backoff.delay(standard, 0, 0.999), 0)
  })

  it("spreads the wait over the whole range below the ceiling", () => {
    assert.strictEqual(Backoff.delay(standard, 1, 0), 0)
    assert.strictEqual(Backoff.delay(standard, 1, 0.5), 250)
    assert.strictEqual(Backoff.delay(standard, 1, 1 - Number.EPSILON / 2), 499)
    assert.strictEqual(Backoff.delay(standard, 1000, 1 - Number.EPSILON / 2), 9999)
  })

  it.prop(
    "is a whole number of milliseconds from 0 to below the ceiling",
    [backoff, failures, random],
    ([backoff, failures, random]) => {
      const delay = Backoff.delay(backoff, failures, random)
      assert.isTrue(Number.isSafeInteger(delay))
      assert.isAtLeast(delay, 0)
      assert.isBelow(delay, Backoff.ceiling(backoff, failures))
    },
    many
  )

  it.prop(
    "never falls with another failure, and never exceeds the cap",
    [backoff, failures],
    ([backoff, failures]) => {
      const ceiling = Backoff.ceiling(backoff, failures)
      assert.isAtLeast(Backoff.ceiling(backoff, failures + 1), ceiling)
      assert.isAtLeast(ceiling, backoff.base)
      assert.isAtMost(ceiling, backoff.cap)
    },
    many
  )
})

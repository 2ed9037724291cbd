import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { shared } from "../../src/protocol/Slab.ts"

interface Claim {
  readonly most: number
  /** What is left of it, if it is filled and not taken. */
  readonly written: number | undefined
}

const claims: FastCheck.Arbitrary<ReadonlyArray<Claim>> = FastCheck.array(
  FastCheck.nat(shared.longest + 100).chain((most) =>
    FastCheck.record({
      most: FastCheck.constant(most),
      written: FastCheck.option(FastCheck.nat(most), { nil: undefined })
    })
  ),
  { maxLength: 50 }
)

describe("a slab", () => {
  it.prop(
    "gives each a place of its own, as long as was asked for",
    { claims },
    ({ claims }) => {
      const places = claims.map(({ most, written }, index) => {
        const mark = index % 256
        if (written === undefined) return shared.take(most).fill(mark)
        return shared.fill(most, (target) => {
          assert.strictEqual(target.length, most)
          target.fill(mark, 0, written)
          return written
        })
      })
      places.forEach((place, index) => {
        const { most, written = most } = claims[index] ?? assert.fail("there is one for each")
        assert.strictEqual(place.length, written)
        assert.isTrue(place.every((byte) => byte === index % 256))
      })
    },
    { fastCheck: { numRuns: 10_000 } }
  )

  it("has short ones share a buffer, however little of what they asked for they filled", () => {
    const places = Array.from({ length: 100 }, () => shared.fill(shared.longest, () => 10))
    assert.isAtMost(new Set(places.map(({ buffer }) => buffer)).size, 2)
  })
})

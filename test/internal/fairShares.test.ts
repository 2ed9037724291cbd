import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { fairShares } from "../../src/internal/fairShares.ts"

const counts = FastCheck.array(FastCheck.nat(20), { maxLength: 8 }).map((all) => new Map(all.entries()))

describe("fairShares", () => {
  it.prop(
    "keeps as much as there is room for, and takes only from those who have the most",
    [counts, FastCheck.nat(60)],
    ([has, max]) => {
      const shares = fairShares(has, max)
      const sum = (numbers: Iterable<number>) => [...numbers].reduce((one, other) => one + other, 0)
      assert.strictEqual(sum(shares.values()), Math.min(max, sum(has.values())))
      const most = Math.max(0, ...shares.values())
      for (const [who, count] of has) {
        const share = shares.get(who) ?? NaN
        assert.isAtMost(share, count)
        if (share < count) assert.isAtLeast(share, most - 1)
      }
    },
    { fastCheck: { numRuns: 10_000 } }
  )
})

import * as FastCheck from "effect/FastCheck"
import { setImmediate } from "node:timers/promises"

const part = 1000

/**
 * Checks a property that takes a while in parts, between which the test runner has its turn: it takes a worker of which it hears
 * nothing for a minute to be dead.
 */
export const holds = async <A>(
  arbitrary: FastCheck.Arbitrary<A>,
  property: (value: A) => void,
  runs = 10_000
): Promise<void> => {
  for (let left = runs; left > 0; left -= part) {
    FastCheck.assert(FastCheck.property(arbitrary, property), { numRuns: Math.min(part, left) })
    await setImmediate()
  }
}

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { soak } from "../support/soak.ts"

/** Every third seed has three kernels; `soak` with others, and for longer, is how to hunt. */
const seeds = Array.from({ length: 30 }, (_, index) => index + 1)

describe("whole kernels under random faults", () => {
  for (const seed of seeds) {
    const kernels = seed % 3 === 0 ? (["alice", "bob", "carol"] as const) : (["alice", "bob"] as const)
    it.effect(
      `lose, double and reorder nothing, and leave nothing (seed ${seed}, ${kernels.length} kernels)`,
      () => Effect.map(soak({ seed, kernels, seconds: 60 }), (wrong) => assert.deepStrictEqual(wrong, [])),
      120_000
    )
  }
})

/** Kernels that talk while everything goes wrong, by a fixed list of seeds. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Name } from "../support/site.ts"
import { soak } from "../support/soak.ts"

const seeds = 80

const casts: ReadonlyArray<ReadonlyArray<Name>> = [
  ["alice", "bob", "carol"],
  ["alice", "bob"],
  ["alice", "bob"]
]

describe("kernels through a minute of faults", () => {
  it.effect(
    "lose, double and reorder nothing, and have everything acknowledged soon afterwards",
    () =>
      Effect.gen(function* () {
        const total = { received: 0, deaths: 0 }
        const failures: Array<string> = []
        for (let seed = 1; seed <= seeds; seed++) {
          const kernels = casts[seed % casts.length] ?? []
          const { deaths, received, wrong } = yield* soak({ seed, kernels, seconds: 60 })
          total.received += received
          total.deaths += deaths
          if (wrong.length > 0) failures.push(`seed ${seed}: ${wrong.join("; ")}`)
        }
        assert.deepStrictEqual(failures, [])
        assert.isAbove(total.received, 3000)
        assert.isAbove(total.deaths, 200)
      }),
    120_000
  )
})

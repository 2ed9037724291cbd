/**
 * Kernels that talk while everything goes wrong, by a fixed list of seeds. `SOAK_SEEDS=1000-2000` runs others, and says after
 * each how it went.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Name } from "../support/site.ts"
import { soak } from "../support/soak.ts"

const [from = 1, through = 80] = (process.env["SOAK_SEEDS"] ?? "1-80").split("-").map(Number)
const isHunt = process.env["SOAK_SEEDS"] !== undefined

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
        for (let seed = from; seed <= through; seed++) {
          const kernels = casts[seed % casts.length] ?? []
          const { deaths, received, wrong } = yield* soak({ seed, kernels, seconds: 60 })
          total.received += received
          total.deaths += deaths
          if (wrong.length > 0) failures.push(`seed ${seed}: ${wrong.join("; ")}`)
          if (isHunt) process.stdout.write(`seed ${seed} ${received} messages, ${deaths} deaths ${wrong.join("; ")}\n`)
        }
        assert.deepStrictEqual(failures, [])
        if (isHunt) return
        assert.isAbove(total.received, 3000)
        assert.isAbove(total.deaths, 200)
      }),
    isHunt ? 86_400_000 : 120_000
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { soak } from "../support/soak.ts"
const [from = 1, to = 10] = (process.env["SOAK_SEEDS"] ?? "1-10").split("-").map(Number)
describe("soak", () => {
  it.effect(
    "hunt",
    () =>
      Effect.gen(function* () {
        for (let seed = from; seed <= to; seed++) {
          const kernels = seed % 3 === 0 ? (["alice", "bob", "carol"] as const) : (["alice", "bob"] as const)
          const t = process.uptime()
          const wrong = yield* soak({ seed, kernels, seconds: 60 })
          process.stderr.write(
            `seed ${seed} ${(process.uptime() - t).toFixed(2)} s ${wrong.join("; ").slice(0, 1500)}\n`
          )
        }
        assert.ok(true)
      }),
    3_600_000
  )
})

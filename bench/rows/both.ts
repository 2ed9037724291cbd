/**
 * Both directions at once: per second of CPU time, so that it does not matter how many cores there are for it.
 */
import * as Effect from "effect/Effect"
import { interleaved } from "../interleaved.ts"
import type { Row } from "../Row.ts"
import { cpuOf, kernels } from "../workers/processes.ts"
import { Send } from "../workers/requests.ts"

const size = 256
const count = 40_000

export const both: Row = {
  name: "both",
  about: "both directions at once",
  run: (bench) =>
    Effect.gen(function* () {
      const two = yield* kernels(bench, "memory")
      const there = two.near.ask(new Send({ count, size }))
      const back = two.far.ask(new Send({ count, size }))
      const perCpuSecond = (messages: number, work: Effect.Effect<unknown, Effect.Effect.Error<typeof there>>) =>
        Effect.map(cpuOf(work, two), (cpuMicros) => (messages * 1_000_000) / cpuMicros)
      return [
        {
          name: "both",
          what: "both directions at once, 256 B, memory store, per second of CPU time",
          against: "one way at a time",
          unit: "msg/CPU s",
          target: { figure: "ratio", sense: "at least", limit: 0.8 },
          pairs: yield* interleaved(bench, "both", {
            ours: perCpuSecond(2 * count, Effect.all([there, back], { concurrency: 2 })),
            raw: perCpuSecond(2 * count, Effect.all([there, back]))
          }),
          beside: []
        }
      ]
    })
}

/**
 * What a message costs, in CPU time of both processes.
 */
import * as Effect from "effect/Effect"
import { interleaved } from "../interleaved.ts"
import type { Row } from "../Row.ts"
import { cpuOf, kernels, raws } from "../workers/processes.ts"
import { RawSend, Send } from "../workers/requests.ts"

const size = 256
const count = 60_000
const rawCount = 300_000

export const cpu: Row = {
  name: "cpu",
  about: "CPU time per message at full speed",
  run: (bench) =>
    Effect.gen(function* () {
      const ours = yield* kernels(bench, "memory")
      const raw = yield* raws(bench)
      const send = ours.near.ask(new Send({ count, size }))
      const coalesced = raw.near.ask(new RawSend({ way: "coalesced", count: rawCount, size }))
      return [
        {
          name: "cpu",
          what: "CPU time of both processes per message of 256 B at full speed, memory store",
          against: "raw coalesced writes",
          unit: "µs",
          target: { figure: "difference", sense: "at most", limit: 12 },
          pairs: yield* interleaved(bench, "cpu", {
            ours: Effect.map(cpuOf(send, ours), (cpuMicros) => cpuMicros / count),
            raw: Effect.map(cpuOf(coalesced, raw), (cpuMicros) => cpuMicros / rawCount),
            warmUps: 4
          }),
          beside: []
        }
      ]
    })
}

/**
 * What a cut costs: how much is sent that the peer has already, and how soon the rest goes on.
 */
import * as Effect from "effect/Effect"
import { interleaved } from "../interleaved.ts"
import type { Row } from "../Row.ts"
import { oneWay, raws } from "../workers/processes.ts"
import { Connect, Resume, Whereabouts } from "../workers/requests.ts"

const size = 256

/** The cut comes half-way, so that as many as the row says are pending then. */
const count = 20_000

export const resume: Row = {
  name: "resume",
  about: "resume after a cut with 10,000 pending",
  run: (bench) =>
    Effect.gen(function* () {
      const ours = yield* oneWay(bench, "memory", { isObserved: true })
      const raw = yield* raws(bench)
      const target = new Connect(yield* raw.far.ask(new Whereabouts()))
      const pairs = yield* interleaved(bench, "resume", {
        ours: ours.near.ask(new Resume({ count, size })),
        raw: raw.near.ask(target)
      })
      const fewest = Math.min(...pairs.map((pair) => pair.ours.lacked))
      return [
        {
          name: "resent",
          what: "bytes sent after a cut with 10,000 pending, beside what the peer lacked",
          against: "lacked",
          unit: "KiB",
          target: { figure: "ratio", sense: "at most", limit: 1.01 },
          pairs: pairs.map((pair) => ({ ours: pair.ours.resentBytes / 1024, raw: pair.ours.lackedBytes / 1024 })),
          beside: [{ what: "lacked at least", value: fewest, unit: "messages" }]
        },
        {
          name: "resumed",
          what: "from the new channel to the first message of the rest",
          against: "a raw dial with a stream",
          unit: "ms",
          target: { figure: "ratio", sense: "at most", limit: 1 },
          pairs: pairs.map((pair) => ({ ours: pair.ours.firstMillis, raw: pair.raw.millis })),
          beside: []
        }
      ]
    })
}

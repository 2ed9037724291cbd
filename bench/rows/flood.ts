/**
 * One peer sends as much as it can: how long a hundred others wait for their acknowledgements meanwhile.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { interleaved } from "../interleaved.ts"
import type { Row } from "../Row.ts"
import { median, quantile } from "../statistics.ts"
import type { KernelProcess } from "../workers/processes.ts"
import { crowd, kernel, seeds } from "../workers/processes.ts"
import { Acknowledged, Chatter, Connect, Flood, Gather, Whereabouts } from "../workers/requests.ts"

const others = 100

const size = 256

const chatter = new Chatter({ perSecond: 10, seconds: 4, size })

/** By then the flood has filled what there is room for. */
const head = "500 millis"

/** Runs `work` while the flooder floods, and waits until nothing of the flood is left. */
const flooded = <A, E>(flooder: KernelProcess, work: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const flood = yield* Effect.fork(flooder.ask(new Flood({ size })))
    const done = yield* Effect.delay(work, head)
    yield* Fiber.interrupt(flood)
    yield* flooder.ask(new Acknowledged({ count: 1, size }))
    return done
  })

export const flood: Row = {
  name: "flood",
  about: `one peer floods, ${others} others send ${chatter.perSecond} messages a second`,
  run: (bench) =>
    Effect.gen(function* () {
      const options = { file: undefined, maxPendingMessages: 10_000, crowd: others + 1 }
      const centre = yield* kernel(bench, { ...options, seed: seeds.far, dials: false })
      const flooder = yield* kernel(bench, { ...options, seed: seeds.near, dials: true })
      const many = yield* crowd(bench)
      const whereabouts = yield* centre.ask(new Whereabouts())
      yield* bench.progress(`flood: ${others} kernels`)
      yield* flooder.ask(new Connect(whereabouts))
      yield* many.ask(new Gather({ ...whereabouts, kind: "kernels", count: others }))
      const pairs = yield* interleaved(bench, "flood", {
        ours: flooded(flooder, many.ask(chatter)),
        raw: many.ask(chatter),
        warmUps: 1
      })
      const p50 = (of: "ours" | "raw") => median(pairs.map((pair) => quantile(pair[of].micros, 0.5))) / 1000
      return [
        {
          name: "flood",
          what: `p99 from deliver to ACK of ${others} peers with ${chatter.perSecond} messages a second each, while another one floods`,
          against: "without the flood",
          unit: "ms",
          target: { figure: "ratio", sense: "at most", limit: 2 },
          pairs: pairs.map(({ ours, raw }) => ({
            ours: quantile(ours.micros, 0.99) / 1000,
            raw: quantile(raw.micros, 0.99) / 1000
          })),
          beside: [
            { what: "p50 with the flood", value: p50("ours"), unit: "ms" },
            { what: "p50 without it", value: p50("raw"), unit: "ms" }
          ]
        }
      ]
    })
}

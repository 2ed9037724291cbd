/**
 * One peer sends as much as it can: how long a hundred others wait for their acknowledgements meanwhile.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { interleaved } from "../interleaved.ts"
import type { Row } from "../Row.ts"
import { median, quantile } from "../statistics.ts"
import type { KernelProcess, Priority } from "../workers/processes.ts"
import { crowd, kernel, seeds } from "../workers/processes.ts"
import { Acknowledged, Chatter, Connect, Flood, Gather, Sent, Whereabouts } from "../workers/requests.ts"

const others = 100

const size = 256

const chatter = new Chatter({ perSecond: 10, seconds: 4, size })

/** By then the flood has filled what there is room for. */
const head = "500 millis"

/** Runs `work` while the flooder floods, and waits until nothing of the flood is left; gives how much of it was sent a second. */
const flooded = <A, E>(flooder: KernelProcess, work: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const flood = yield* Effect.fork(flooder.ask(new Flood({ size })))
    yield* Effect.sleep(head)
    const before = yield* flooder.ask(new Sent())
    const [took, done] = yield* Effect.timed(work)
    const after = yield* flooder.ask(new Sent())
    yield* Fiber.interrupt(flood)
    yield* flooder.ask(new Acknowledged({ count: 1, size }))
    return { ...done, perSecond: (after.count - before.count) / Duration.toSeconds(took) }
  })

const millis = ({ micros }: { readonly micros: ReadonlyArray<number> }, p: number) => quantile(micros, p) / 1000

/** How often it is looked what a flooder does that takes processors from the others. */
const rivalries = 3

export const flood: Row = {
  name: "flood",
  about: `one peer floods, ${others} others send ${chatter.perSecond} messages a second`,
  run: (bench) =>
    Effect.gen(function* () {
      const options = { file: undefined, maxPendingMessages: 10_000, crowd: others + 2 }
      const centre = yield* kernel(bench, { ...options, seed: seeds.far, dials: false })
      const many = yield* crowd(bench)
      const whereabouts = yield* centre.ask(new Whereabouts())
      const flooderOf = (seed: string, priority: Priority) =>
        Effect.tap(kernel(bench, { ...options, seed, dials: true }, priority), (it) => it.ask(new Connect(whereabouts)))
      const flooder = yield* flooderOf(seeds.near, "low")
      const rival = yield* flooderOf(seeds.warm, "normal")
      yield* bench.progress(`flood: ${others} kernels`)
      yield* many.ask(new Gather({ ...whereabouts, kind: "kernels", count: others }))
      const chat = many.ask(chatter)
      const pairs = yield* interleaved(bench, "flood", { ours: flooded(flooder, chat), raw: chat, warmUps: 1 })
      yield* bench.progress("flood: from a process of the same priority")
      const rivals = yield* Effect.replicateEffect(flooded(rival, chat), rivalries)
      const p50 = (of: "ours" | "raw") => median(pairs.map((pair) => millis(pair[of], 0.5)))
      return [
        {
          name: "flood",
          what: `p99 from deliver to ACK of ${others} peers with ${chatter.perSecond} messages a second each, while another one floods`,
          against: "without the flood",
          unit: "ms",
          target: { figure: "ratio", sense: "at most", limit: 2 },
          pairs: pairs.map(({ ours, raw }) => ({ ours: millis(ours, 0.99), raw: millis(raw, 0.99) })),
          beside: [
            { what: "messages of the flood", value: median(pairs.map(({ ours }) => ours.perSecond)), unit: "msg/s" },
            { what: "p50 with the flood", value: p50("ours"), unit: "ms" },
            { what: "p50 without it", value: p50("raw"), unit: "ms" },
            {
              what: "p99 with a flood that takes processors from the others",
              value: median(rivals.map((it) => millis(it, 0.99))),
              unit: "ms"
            },
            { what: "messages of that flood", value: median(rivals.map((it) => it.perSecond)), unit: "msg/s" }
          ]
        }
      ]
    })
}

/**
 * Many peers that are connected and say nothing: what each of them costs the kernel that they are connected to.
 */
import * as Effect from "effect/Effect"
import type { Bench, Row } from "../Row.ts"
import type { KernelProcess, RawProcess } from "../workers/processes.ts"
import { crowd, kernel, raw, seeds } from "../workers/processes.ts"
import { Gather, Whereabouts } from "../workers/requests.ts"

const count = 1000

/** What the first ones bring about is there only once. */
const first = 100

const crowds = 2

const idleSeconds = 10

const kibibyte = 1024

interface PerPeer {
  readonly heap: number
  readonly rss: number
  readonly cpuMicros: number
  readonly perSecond: number
}

/** Has `count` peers connect, and gives what the process at their centre grew by for each. */
const gather = Effect.fnUntraced(function* (
  bench: Bench,
  kind: Gather["kind"],
  centre: Pick<KernelProcess, "cpuTime" | "usage">,
  whereabouts: typeof Whereabouts.success.Type
) {
  const processes = yield* Effect.replicateEffect(crowd(bench), crowds)
  const add = (more: number) =>
    Effect.forEach(processes, ({ ask }) => ask(new Gather({ ...whereabouts, kind, count: more / crowds })), {
      concurrency: crowds
    })
  /** A collection may leave work for the turns after it. */
  const settled = Effect.zipRight(Effect.delay(centre.usage, "1 second"), Effect.delay(centre.usage, "1 second"))
  yield* bench.progress(`peers: ${count} ${kind}`)
  yield* add(first)
  const few = yield* settled
  const started = performance.now()
  yield* add(count - first)
  const seconds = (performance.now() - started) / 1000
  const many = yield* settled
  const before = yield* centre.cpuTime
  const later = yield* Effect.delay(centre.cpuTime, idleSeconds * 1000)
  const perPeer: PerPeer = {
    heap: (many.heap - few.heap) / (count - first) / kibibyte,
    rss: (many.rss - few.rss) / (count - first) / kibibyte,
    cpuMicros: (later.cpuMicros - before.cpuMicros) / idleSeconds / count,
    perSecond: (count - first) / seconds
  }
  return perPeer
}, Effect.scoped)

const ours = (bench: Bench) =>
  Effect.gen(function* () {
    const options = { seed: seeds.far, file: undefined, maxPendingMessages: 1000, dials: false, crowd: count }
    const centre: KernelProcess = yield* kernel(bench, options)
    return yield* gather(bench, "kernels", centre, yield* centre.ask(new Whereabouts()))
  }).pipe(Effect.scoped)

const bare = (bench: Bench) =>
  Effect.gen(function* () {
    const centre: RawProcess = yield* raw(bench, seeds.far, count)
    return yield* gather(bench, "raws", centre, yield* centre.ask(new Whereabouts()))
  }).pipe(Effect.scoped)

export const peers: Row = {
  name: "peers",
  about: `${count} idle peers of one kernel; measured once`,
  run: (bench) =>
    Effect.gen(function* () {
      const one = yield* ours(bench)
      const other = yield* bare(bench)
      return [
        {
          name: "peers",
          what: `memory per idle connected peer, ${count} of them on one kernel: heap and buffers after a collection`,
          against: "raw libp2p, one stream each",
          unit: "KiB",
          target: { figure: "difference", sense: "at most", limit: 32 },
          pairs: [{ ours: one.heap, raw: other.heap }],
          beside: [
            { what: "RSS per peer", value: one.rss, unit: "KiB" },
            { what: "RSS per raw peer", value: other.rss, unit: "KiB" },
            { what: "CPU time per idle peer", value: one.cpuMicros, unit: "µs/s" },
            { what: "CPU time per idle raw peer", value: other.cpuMicros, unit: "µs/s" },
            { what: "peers connected", value: one.perSecond, unit: "peers/s" }
          ]
        }
      ]
    })
}

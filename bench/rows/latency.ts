/**
 * How long one message takes when nothing else is under way.
 */
import * as Effect from "effect/Effect"
import { interleaved } from "../interleaved.ts"
import type { Beside, Measured, Row } from "../Row.ts"
import { median, quantile } from "../statistics.ts"
import { kernels, raws, withCpu } from "../workers/processes.ts"
import { Acknowledged, CommittedEcho, Keep, RawEcho, RoundTrips, Syncs } from "../workers/requests.ts"

const size = 256

/** Latencies are those of a process that has been at work for a while: V8 goes on optimizing through the first of these rounds. */
const warmUps = 12

/** As many messages as it takes until a commit costs no less than for the messages before. */
const firstCommits = 12_000

interface Latencies {
  readonly micros: ReadonlyArray<number>
}

const at =
  (part: number) =>
  ({ micros }: Latencies) =>
    quantile(micros, part)

const trips = 2000

/** What became of `trips` round trips. */
interface Trips {
  readonly done: Latencies
  readonly cpuMicros: number
}

/** One repetition: of ours as it comes, of ours where the event loop sleeps until an answer comes, and of raw. */
interface Repetition {
  readonly ours: { readonly awake: Trips; readonly asleep: Trips }
  readonly raw: Trips
}

const p50 = ({ done }: Trips) => at(0.5)(done)
const cpuPerTrip = ({ cpuMicros }: Trips) => cpuMicros / trips

/** What the waiting awake gains and costs. */
const besideTrips = (repetitions: ReadonlyArray<Repetition>): ReadonlyArray<Beside> => {
  const medianOf = (figure: (repetition: Repetition) => number) => median(repetitions.map(figure))
  return [
    { what: "CPU time of both processes", value: medianOf(({ ours }) => cpuPerTrip(ours.awake)), unit: "µs" },
    { what: "CPU time of raw", value: medianOf(({ raw }) => cpuPerTrip(raw)), unit: "µs" },
    { what: "without busy polling", value: medianOf(({ ours }) => p50(ours.asleep)), unit: "µs" },
    {
      what: "without busy polling, beside raw",
      value: medianOf(({ ours, raw }) => p50(ours.asleep) / p50(raw)),
      unit: "×"
    },
    {
      what: "CPU time without busy polling",
      value: medianOf(({ ours }) => cpuPerTrip(ours.asleep)),
      unit: "µs"
    }
  ]
}

export const roundTrip: Row = {
  name: "roundtrip",
  about: "idle round trip: deliver, handler, answer delivered",
  run: (bench) =>
    Effect.gen(function* () {
      const awake = yield* kernels(bench, "memory")
      const asleep = yield* kernels(bench, "memory", { busyPolling: false })
      const raw = yield* raws(bench)
      const ask = (two: typeof awake) => withCpu(two.near.ask(new RoundTrips({ count: trips, size })), two)
      const pairs = yield* interleaved(bench, "roundtrip", {
        ours: Effect.all({ awake: ask(awake), asleep: ask(asleep) }),
        raw: withCpu(raw.near.ask(new RawEcho({ count: trips, size })), raw),
        warmUps
      })
      const line = (name: string, part: number, limit: number, beside: ReadonlyArray<Beside>): Measured => ({
        name: `round trip ${name}`,
        what: `idle round trip, memory store, ${name}`,
        against: "raw echo",
        unit: "µs",
        target: { figure: "ratio", sense: "at most", limit },
        pairs: pairs.map(({ ours, raw }) => ({ ours: at(part)(ours.awake.done), raw: at(part)(raw.done) })),
        beside
      })
      return [line("p50", 0.5, 1.5, besideTrips(pairs)), line("p99", 0.99, 2, [])]
    })
}

export const commitToAck: Row = {
  name: "ack",
  about: "durable commit-to-ACK latency, idle",
  run: (bench) =>
    Effect.gen(function* () {
      const ours = yield* kernels(bench, "sqlite")
      const raw = yield* raws(bench)
      const count = 200
      const file = `${bench.directory}/syncs.db`
      yield* raw.near.ask(new Keep({ size, file: `${bench.directory}/near.raw.db` }))
      yield* raw.far.ask(new Keep({ size, file: `${bench.directory}/far.raw.db` }))
      yield* bench.progress("ack: warming up")
      yield* ours.near.ask(new Acknowledged({ count: firstCommits, size }))
      const p50 = <E>(latencies: Effect.Effect<Latencies, E>) => Effect.map(latencies, at(0.5))
      const pairs = yield* interleaved(bench, "ack", {
        ours: p50(ours.near.ask(new Acknowledged({ count, size }))),
        raw: Effect.all({
          sync: p50(raw.near.ask(new Syncs({ count, size, file }))),
          echo: p50(raw.near.ask(new RawEcho({ count, size }))),
          committedEcho: p50(raw.near.ask(new CommittedEcho({ count })))
        }),
        warmUps
      })
      const medianOf = (of: (pair: (typeof pairs)[number]) => number) => median(pairs.map(of))
      const apart = ({ echo, sync }: (typeof pairs)[number]["raw"]) => 2 * sync + echo
      return [
        {
          name: "ack",
          what: "durable deliver to ACK, idle, SQLite, p50",
          against: "two syncs and a raw echo: both ends sync before they write",
          unit: "µs",
          target: { figure: "ratio", sense: "at most", limit: 1.5 },
          pairs: pairs.map(({ ours, raw }) => ({ ours, raw: raw.committedEcho })),
          beside: [
            { what: "a sync right after the other", value: medianOf(({ raw }) => raw.sync), unit: "µs" },
            { what: "two of those, and a raw echo", value: medianOf(({ raw }) => apart(raw)), unit: "µs" },
            {
              what: "ours beside these, measured apart",
              value: medianOf(({ ours, raw }) => ours / apart(raw)),
              unit: "×"
            }
          ]
        }
      ]
    })
}

/**
 * A peer that is away for long: what waits for it is in the store, not in memory.
 */
import * as Effect from "effect/Effect"
import type { Bench, Measured, Row } from "../Row.ts"
import { lone } from "../workers/processes.ts"
import { Connect, Enqueue, Send, Started, Usage, Whereabouts } from "../workers/requests.ts"

const size = 256
const count = 1_000_000
const rateCount = 50_000

/** By then the process has taken what it needs at full speed; what comes on top of it is for the messages that wait. */
const atSpeed = 100_000

const mebibyte = 1_048_576

const near = { file: "near.db", maxPendingMessages: count + 10_000 }

/** Fills the store of a kernel, and gives by how much its memory grew. */
const fill = (bench: Bench, peerId: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const kernel = yield* lone(bench, "near", near)
      const warm = { peerId, count: 5000, size }
      yield* kernel.ask(new Enqueue(warm))
      const before = yield* kernel.ask(new Usage())
      yield* bench.progress(`backlog: ${count} messages for a peer that is away`)
      yield* kernel.ask(new Enqueue({ peerId, count: atSpeed - warm.count, size }))
      const busy = yield* kernel.ask(new Usage())
      const rest = count - atSpeed
      const { millis } = yield* kernel.ask(new Enqueue({ peerId, count: rest, size }))
      const after = yield* kernel.ask(new Usage())
      return {
        growth: (after.rss - before.rss) / mebibyte,
        growthAtSpeed: (after.rss - busy.rss) / mebibyte,
        perSecond: (rest * 1000) / millis
      }
    })
  )

const line = (
  it: Pick<Measured, "name" | "what" | "unit" | "target" | "against" | "beside">,
  ours: number,
  raw = ours
) => ({
  ...it,
  pairs: [{ ours, raw }]
})

export const backlog: Row = {
  name: "backlog",
  about: "10^6 pending for a peer that is away, SQLite; measured once",
  run: (bench) =>
    Effect.gen(function* () {
      const far = yield* lone(bench, "far", { file: "far.db" })
      const whereabouts = yield* far.ask(new Whereabouts())
      const filled = yield* fill(bench, whereabouts.peerId)
      yield* bench.progress("backlog: starting again, and draining")
      const kernel = yield* lone(bench, "near", near)
      const started = yield* kernel.ask(new Started())
      const drained = yield* kernel.ask(new Connect(whereabouts))
      const drainRate = (count * 1000) / drained.millis
      const steady = yield* kernel.ask(new Send({ count: rateCount, size }))
      const alone = { against: undefined, beside: [] }
      return [
        line(
          {
            name: "backlog memory",
            what: "growth of RSS with 10^6 messages pending, SQLite",
            unit: "MiB",
            target: { figure: "ours", sense: "at most", limit: 64 },
            against: undefined,
            beside: [
              { what: "of it beyond the first 100,000 messages", value: filled.growthAtSpeed, unit: "MiB" },
              { what: "accepted", value: filled.perSecond, unit: "msg/s" }
            ]
          },
          filled.growth
        ),
        line(
          {
            ...alone,
            name: "backlog start",
            what: "start of a kernel with 10^6 messages pending",
            unit: "s",
            target: { figure: "ours", sense: "at most", limit: 2 }
          },
          started.millis / 1000
        ),
        line(
          {
            name: "backlog drain",
            what: "draining 10^6 messages",
            against: "durable one way",
            unit: "msg/s",
            target: { figure: "ratio", sense: "at least", limit: 1 },
            beside: []
          },
          drainRate,
          (rateCount * 1000) / steady.millis
        )
      ]
    })
}

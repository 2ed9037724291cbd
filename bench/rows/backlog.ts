/**
 * A peer that is away for long: what waits for it is in the store, not in memory.
 */
import * as Effect from "effect/Effect"
import type { Bench, Measured, Row } from "../Row.ts"
import type { KernelProcess } from "../workers/processes.ts"
import { lone } from "../workers/processes.ts"
import { Connect, Enqueue, Send, Started, Usage, Whereabouts } from "../workers/requests.ts"

const size = 256
const count = 1_000_000
const rateCount = 50_000

/** So many it has sent before: what a process takes because it is at full speed is there by then, and nothing is pending. */
const warmUp = 100_000

const mebibyte = 1_048_576

const near = { file: "near.db", maxPendingMessages: count + 10_000 }

/** Sends messages to a kernel that takes them, and then goes away. */
const warm = (bench: Bench, kernel: KernelProcess) =>
  Effect.scoped(
    Effect.gen(function* () {
      const taker = yield* lone(bench, "warm", { file: "warm.db" })
      yield* kernel.ask(new Connect(yield* taker.ask(new Whereabouts())))
      yield* kernel.ask(new Send({ count: warmUp, size }))
    })
  )

/** Fills the store of a kernel, and gives by how much its memory grew. */
const fill = (bench: Bench, peerId: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const kernel = yield* lone(bench, "near", near)
      const begun = yield* kernel.ask(new Usage())
      yield* bench.progress("backlog: warming up")
      yield* warm(bench, kernel)
      const before = yield* kernel.ask(new Usage())
      yield* bench.progress(`backlog: ${count} messages for a peer that is away`)
      const { millis } = yield* kernel.ask(new Enqueue({ peerId, count, size }))
      const after = yield* kernel.ask(new Usage())
      return {
        growth: (after.rss - before.rss) / mebibyte,
        warmUp: (before.rss - begun.rss) / mebibyte,
        perSecond: (count * 1000) / millis
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
              { what: "growth before, while it sent 100,000 messages to a peer", value: filled.warmUp, unit: "MiB" },
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

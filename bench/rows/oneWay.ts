/**
 * Messages in one direction, as many as go through: against raw writes that are awaited one by one.
 */
import * as Effect from "effect/Effect"
import { interleaved } from "../interleaved.ts"
import type { Beside, Bench, Measured, Row } from "../Row.ts"
import { median } from "../statistics.ts"
import { kernels, raws } from "../workers/processes.ts"
import { RawSend, Send, Syncs } from "../workers/requests.ts"

const size = 256
const rawCount = 20_000

/** How many per second. */
export const perSecond = (count: number, millis: number): number => (count * 1000) / millis

const measure = Effect.fnUntraced(function* (
  bench: Bench,
  name: string,
  options: {
    readonly store: "memory" | "sqlite"
    readonly count: number
    readonly limit: number
    readonly what: string
  }
) {
  const ours = yield* kernels(bench, options.store)
  const raw = yield* raws(bench)
  const { count } = options
  const pairs = yield* interleaved(bench, name, {
    ours: Effect.map(ours.near.ask(new Send({ count, size })), ({ millis }) => perSecond(count, millis)),
    raw: Effect.map(raw.near.ask(new RawSend({ way: "awaited", count: rawCount, size })), ({ millis }) =>
      perSecond(rawCount, millis)
    )
  })
  const coalesced = yield* raw.near.ask(new RawSend({ way: "coalesced", count: 400_000, size }))
  const beside: Array<Beside> = [
    { what: "raw coalesced writes", value: perSecond(400_000, coalesced.millis), unit: "msg/s" }
  ]
  if (options.store === "sqlite") {
    const file = `${bench.directory}/syncs.db`
    const { micros } = yield* raw.near.ask(new Syncs({ count: 200, size, file }))
    beside.push({ what: "one sync per message", value: 1_000_000 / median(micros), unit: "msg/s" })
  }
  const measured: Measured = {
    name,
    what: options.what,
    against: "raw awaited writes",
    unit: "msg/s",
    target: { figure: "ratio", sense: "at least", limit: options.limit },
    pairs,
    beside
  }
  return [measured]
})

export const durable: Row = {
  name: "durable",
  about: "durable one way, 256 B, SQLite with full sync on both sides",
  run: (bench) =>
    measure(bench, "durable", {
      store: "sqlite",
      count: 20_000,
      limit: 1,
      what: "durable exactly-once one way, 256 B, SQLite full sync on both sides"
    })
}

export const memory: Row = {
  name: "memory",
  about: "one way, 256 B, store in memory",
  run: (bench) =>
    measure(bench, "memory", {
      store: "memory",
      count: 60_000,
      limit: 3,
      what: "exactly-once one way, 256 B, memory store"
    })
}

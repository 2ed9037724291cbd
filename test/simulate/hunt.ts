/**
 * Shares seeds between workers, shows how far they are, and tells in the end what was found.
 */
import { Worker } from "node:worker_threads"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { allFaultKinds } from "../../src/testing/Simulation.ts"
import type { Settings } from "./settings.ts"
import type { Tally } from "./tally.ts"
import * as Tallies from "./tally.ts"

/** Something was found, or a worker failed; the sentence is all that is to be said. */
export class HuntFailed extends Data.TaggedError("HuntFailed")<{ readonly sentence: string }> {
  override get message() {
    return this.sentence
  }
}

const Answer = Schema.Struct({
  outcomes: Schema.Array(
    Schema.Struct({
      seed: Schema.Number,
      wrong: Schema.Array(Schema.String),
      happened: Schema.Array(Schema.Tuple(Schema.String, Schema.Number)),
      messages: Schema.Number,
      virtualTime: Schema.Number,
      took: Schema.Number
    })
  )
})

const Story = Schema.Struct({ story: Schema.String })

/** How many seeds a worker gets at once: about a second's worth. */
const portion = { real: 4, protocol: 250 }

/** How many failures are told in full. */
const maxStories = 1

const openWorker = Effect.acquireRelease(
  Effect.sync(() => new Worker(new URL("worker.ts", import.meta.url))),
  (worker) => Effect.promise(() => worker.terminate())
)

/** One question, one answer. */
const ask = (worker: Worker, order: unknown): Effect.Effect<unknown, HuntFailed> =>
  Effect.async((resume) => {
    const failed = (sentence: string) => resume(new HuntFailed({ sentence }))
    const listeners = {
      message: (answer: unknown) => settle(() => resume(Effect.succeed(answer))),
      error: (error: unknown) => settle(() => failed(`A worker failed: ${String(error)}`)),
      exit: () => settle(() => failed("A worker ended too early."))
    }
    const names = ["message", "error", "exit"] as const
    const settle = (then: () => void) => {
      for (const name of names) worker.off(name, listeners[name])
      then()
    }
    for (const name of names) worker.on(name, listeners[name])
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread has no origin
    worker.postMessage(order)
    return Effect.sync(() => settle(() => undefined))
  })

/** Which seeds are done, so that whoever is interrupted can be continued. */
class Seeds {
  private readonly underWay = new Set<number>()
  private next: number

  constructor(from: number) {
    this.next = from
  }

  /** The first seed of a portion; `below` is where there are no more. */
  take(size: number, below: number): { readonly from: number; readonly count: number } {
    const from = this.next
    const count = Math.min(size, below - from)
    this.next += count
    this.underWay.add(from)
    return { from, count }
  }

  done(from: number): void {
    this.underWay.delete(from)
  }

  isEmpty(below: number): boolean {
    return this.next >= below
  }

  /** All seeds before this one are done. */
  get firstOpen(): number {
    return Math.min(this.next, ...this.underWay)
  }
}

/** In place on a terminal, and a line from time to time elsewhere. */
const showProgress = (tally: Tally, seeds: Seeds, settings: Settings, seconds: number) =>
  Effect.sync(() => {
    const { anomalies, messages, runs } = tally.total
    const rate = seconds === 0 ? 0 : runs / seconds
    const size = portion[settings.mode]
    const done = `${runs} of ${settings.seeds} seeds (${settings.from} to ${seeds.firstOpen - 1})`
    const line = `${done}, ${messages} messages, ${anomalies} anomalies, ${rate.toFixed(1)} runs/s`
    if (process.stderr.isTTY) process.stderr.write(`\r${line}  `)
    else if (runs <= size || runs % (10 * size) < size) process.stderr.write(`${line}\n`)
  })

/** Runs all seeds, or as many as there is time for. */
export const hunt = (settings: Settings): Effect.Effect<void, HuntFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { faults, from, minutes, mode, repeat } = settings
      const isAll = faults.length === allFaultKinds.length
      const tally = Tallies.empty(faults)
      const began = yield* Clock.currentTimeMillis
      const deadline = minutes === 0 ? Infinity : began + minutes * 60_000
      const below = from + settings.seeds
      const seeds = new Seeds(from)
      const share = Effect.gen(function* () {
        const worker = yield* openWorker
        while (!seeds.isEmpty(below) && (yield* Clock.currentTimeMillis) < deadline) {
          const order = { mode, ...seeds.take(portion[mode], below), faults: isAll ? [] : faults }
          const answer = yield* ask(worker, { ...order, repeat, explains: false })
          const { outcomes } = yield* Effect.orDie(Schema.decodeUnknown(Answer)(answer))
          for (const outcome of outcomes) {
            Tallies.add(tally, outcome)
            if (outcome.wrong.length > 0) yield* Console.log(`\nseed ${outcome.seed}: ${outcome.wrong.join("; ")}`)
          }
          seeds.done(order.from)
          yield* showProgress(tally, seeds, settings, ((yield* Clock.currentTimeMillis) - began) / 1000)
        }
      })
      const tellTable = Effect.gen(function* () {
        const seconds = ((yield* Clock.currentTimeMillis) - began) / 1000
        yield* Console.log(`\n${Tallies.table(tally)}`)
        yield* Console.log(`${tally.total.runs} runs in ${seconds.toFixed(0)} s with ${settings.workers} workers`)
        if (seeds.firstOpen < below) {
          yield* Console.log(`--from ${seeds.firstOpen} --seeds ${below - seeds.firstOpen} goes on where this ended`)
        }
      })
      yield* Effect.all(
        Array.from({ length: settings.workers }, () => share),
        { concurrency: "unbounded" }
      ).pipe(Effect.onInterrupt(() => tellTable))
      yield* tellTable
      const found = tally.failed.toSorted((a, b) => a - b)
      if (found.length === 0) return
      if (mode === "real") yield* tellStories(found.slice(0, maxStories), isAll ? [] : faults)
      const list = found.slice(0, 10).join(", ")
      return yield* new HuntFailed({
        sentence: `${tally.total.anomalies} anomalies, in ${found.length} seeds: ${list}.`
      })
    })
  )

const tellStories = (seeds: ReadonlyArray<number>, faults: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const worker = yield* openWorker
    for (const seed of seeds) {
      yield* Console.log(`seed ${seed}, looking for the fewest faults that it takes …`)
      const answer = yield* ask(worker, { mode: "real", from: seed, count: 1, faults, repeat: false, explains: true })
      yield* Console.log((yield* Effect.orDie(Schema.decodeUnknown(Story)(answer))).story)
    }
  })

/**
 * Runs the seeds that it is given, one after the other, and tells what came of each.
 */
import { parentPort } from "node:worker_threads"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ProtocolSimulation from "../../src/testing/simulation/protocol.ts"
import { explain, isFaultKind, run } from "../../src/testing/Simulation.ts"
import type { Outcome } from "./tally.ts"

const Order = Schema.Struct({
  mode: Schema.Literal("real", "protocol"),
  from: Schema.Number,
  count: Schema.Number,
  faults: Schema.Array(Schema.String),
  repeat: Schema.Boolean,
  explains: Schema.Boolean
})

type Order = typeof Order.Type

const optionsOf = ({ faults }: Order) => ({ faults: faults.filter(isFaultKind) })

/** No faults named are all of them, with their weights. */
const given = (order: Order) => (order.faults.length === 0 ? {} : optionsOf(order))

/** What came of a seed, and a text that is the same for runs that went the same way. */
const play = (order: Order, seed: number): Effect.Effect<{ readonly outcome: Outcome; readonly way: string }> =>
  Effect.gen(function* () {
    if (order.mode === "protocol") {
      const { happened, ...rest } = ProtocolSimulation.run(seed, given(order))
      const outcome = { seed, ...rest, happened: [...happened], took: 0 }
      return { outcome, way: JSON.stringify(outcome) }
    }
    const { happened, hash, messages, virtualTime, wrong } = yield* run(seed, given(order))
    return { outcome: { seed, wrong, messages, virtualTime, happened: [...happened], took: 0 }, way: hash }
  })

const outcomeOf = (order: Order, seed: number): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const { outcome, way } = yield* play(order, seed)
    if (!order.repeat || (yield* play(order, seed)).way === way) return outcome
    return { ...outcome, wrong: [...outcome.wrong, "went another way the second time"] }
  })

const port = parentPort

const work = (message: unknown): Promise<void> =>
  Effect.gen(function* () {
    const order = yield* Schema.decodeUnknown(Order)(message)
    if (order.explains) {
      port?.postMessage({ story: (yield* explain(order.from, given(order))).message })
      return
    }
    const outcomes: Array<Outcome> = []
    for (let seed = order.from; seed < order.from + order.count; seed++) {
      const [duration, outcome] = yield* Effect.timed(outcomeOf(order, seed))
      outcomes.push({ ...outcome, took: Duration.toMillis(duration) })
    }
    port?.postMessage({ outcomes })
  }).pipe(Effect.orDie, Effect.runPromise)

port?.on("message", (message: unknown) => void work(message))

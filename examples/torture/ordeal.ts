/**
 * The run itself: kernels talk through a storm, and then in peace until all is settled.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Ref from "effect/Ref"
import { RemotesConfig } from "effect-remotes"
import { RunFailed } from "../processes/failure.ts"
import * as Cast from "./cast.ts"
import { impatient } from "./lines.ts"
import { stallSentence } from "./report.ts"
import type { Name, Settings } from "./settings.ts"
import { manners, names } from "./settings.ts"
import * as Tally from "./tally.ts"
import * as Trouble from "./trouble.ts"

/**
 * How long a run may go without getting on.
 */
export const stallLimit = Duration.seconds(60)

/**
 * How the kernels of a run live: quick and short of patience, but never near the limits of the library.
 */
export const way: Cast.Way = {
  ask: 400,
  manners,
  options: Either.getOrThrow(RemotesConfig.toQueryString(impatient)),
  rest: 40,
  size: 50_000,
  turn: 16,
  window: 400
}

/** Far beyond what can be sent. */
const noLimit = Number.MAX_SAFE_INTEGER

/** Fails once the run has not got on for the limit. */
const watch = (tally: Ref.Ref<Tally.Tally>, nameOf: (peerId: string) => string) =>
  Effect.zipWith(Ref.get(tally), Clock.currentTimeMillis, (now, at) => ({ now, at })).pipe(
    Effect.filterOrFail(
      ({ at, now }) => at - now.progressedAt < Duration.toMillis(stallLimit),
      ({ now }) => new RunFailed({ sentence: stallSentence(now, Duration.format(stallLimit), nameOf) })
    ),
    Effect.delay("1 second"),
    Effect.forever
  )

/** Hears what the kernels say; opens `met` when each has met the others, and ends when all is settled. */
const hear = Effect.fnUntraced(function* ({ cast, names, tally }: Trouble.Stage, met: Deferred.Deferred<void>) {
  const heard = new Set<Name>()
  while (!Tally.isComplete(yield* Ref.get(tally), names.length, manners)) {
    const event = yield* cast.next
    if (event._tag === "Ended") {
      return yield* new RunFailed({ sentence: `The kernel ${event.name} ended by itself (${event.how}).` })
    }
    const now = yield* Clock.currentTimeMillis
    yield* Ref.update(tally, (it) => Tally.report(it, event.peerId, event.report, now))
    if (event.report._tag === "Standing" && event.report.relations.length === names.length - 1) heard.add(event.name)
    if (heard.size === names.length) yield* Deferred.succeed(met, undefined)
  }
})

const make = Effect.fnUntraced(function* (
  { kernels, seconds, seed }: Settings,
  directory: string,
  tally: Ref.Ref<Tally.Tally>
) {
  const [first, second, third] = names
  const taking: Trouble.Stage["names"] = kernels === 2 ? [first, second] : [first, second, third]
  const cast = yield* Cast.make(taking, way, { directory })
  const met = yield* Deferred.make<void>()
  const stage = { cast, names: taking, seed, tally }
  const story = Effect.gen(function* () {
    yield* cast.allow(noLimit)
    yield* Effect.forEach(taking, cast.start, { discard: true })
    yield* Deferred.await(met)
    yield* Trouble.storm(stage, seconds)
    yield* Ref.update(tally, (it) => ({ ...it, phase: "calm" as const }))
    yield* cast.allow(0)
  })
  const run = Effect.all([hear(stage, met), story], { concurrency: "unbounded", discard: true })
  yield* Effect.raceFirst(run, watch(tally, cast.nameOf))
  yield* Effect.forEach(taking, cast.end, { discard: true })
  return taking.map(cast.storeOf)
})

/**
 * Has kernels talk while everything goes wrong, and then until they have nothing more to say, and stops them. Answers with their
 * stores. Whatever happens, no process and no port is left when it ends.
 */
export const ordeal = (settings: Settings, directory: string, tally: Ref.Ref<Tally.Tally>) =>
  Effect.scoped(make(settings, directory, tally))

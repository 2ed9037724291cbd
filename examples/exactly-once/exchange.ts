/**
 * The run itself: one loop that hears what the kernels report, and kills, restarts and resets when the moment has come.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { RunFailed } from "../processes/failure.ts"
import * as Kernels from "../processes/kernels.ts"
import * as Lines from "./lines.ts"
import * as Plan from "./plan.ts"
import * as Proxy from "../processes/proxy.ts"
import { stallSentence } from "./report.ts"
import type { Settings } from "./settings.ts"
import { pace } from "./settings.ts"
import * as Tally from "./tally.ts"

/**
 * How long a run may go without getting on.
 */
export const stallLimit = Duration.seconds(30)

/**
 * Fails once the run has not got on for the limit.
 */
export const watch = (tally: Ref.Ref<Tally.Tally>) =>
  Effect.zipWith(Ref.get(tally), Clock.currentTimeMillis, (now, at) => ({ now, at })).pipe(
    Effect.filterOrFail(
      ({ at, now }) => at - now.progressedAt < Duration.toMillis(stallLimit),
      ({ now }) => new RunFailed({ sentence: stallSentence(now, Duration.format(stallLimit)) })
    ),
    Effect.delay("1 second"),
    Effect.forever
  )

/** What the loop knows besides the tally. */
interface Course {
  readonly url: (typeof Lines.Serving.Type)["url"] | undefined
  /** How many disruptions of the plan have happened. */
  readonly done: number
}

const make = Effect.fnUntraced(function* (settings: Settings, directory: string, tally: Ref.Ref<Tally.Tally>) {
  const plan = yield* Plan.make(settings)
  const proxy = yield* Proxy.make
  const kernels = yield* Kernels.make<"alice" | "bob", Lines.Instruction, Lines.Report>({
    directory,
    language: Lines.language
  })
  const { turn, window } = pace(settings)
  const allowance = (done: number) => Plan.allowance(plan, done, { messages: settings.messages, window })

  const startBob = kernels.start("bob", {
    _tag: "Serve",
    store: kernels.storeOf("bob"),
    transport: settings.transport,
    publicPort: proxy.port
  })

  const startAlice = ({ done, url }: Course) =>
    url === undefined
      ? Effect.void
      : kernels.start("alice", {
          _tag: "Send",
          store: kernels.storeOf("alice"),
          url,
          size: settings.size,
          turn,
          window,
          upTo: allowance(done)
        })

  const hear = Effect.fnUntraced(function* (course: Course, report: Lines.Report) {
    const now = yield* Clock.currentTimeMillis
    yield* Ref.update(tally, (it) => Tally.report(it, report, now))
    if (report._tag !== "Serving") return course
    yield* proxy.leadTo(report.port)
    const next = { ...course, url: report.url }
    if (course.url === undefined) yield* startAlice(next)
    return next
  })

  /** Does what is planned; answers whether it could be done. */
  const perform = Effect.fnUntraced(function* (what: Plan.Disruption["what"], after: Course) {
    switch (what) {
      case "KillAlice":
        yield* Effect.zipRight(kernels.kill("alice"), startAlice(after))
        return true
      case "KillBob":
        yield* Effect.zipRight(kernels.kill("bob"), startBob)
        return true
      case "Reset":
        // Without a connection there is nothing to reset; there will be, because alice still has something to send.
        return (yield* proxy.reset) > 0
    }
  })

  const disrupt = Effect.fnUntraced(function* (course: Course) {
    const next = plan[course.done]
    if (next === undefined || (yield* Ref.get(tally)).received < next.at) return course
    const after = { ...course, done: course.done + 1 }
    if (!(yield* perform(next.what, after))) return course
    const now = yield* Clock.currentTimeMillis
    yield* Ref.update(tally, (it) => Tally.disrupt(it, next.what, now))
    yield* kernels.tell("alice", { _tag: "Allow", upTo: allowance(after.done) })
    return after
  })

  const loop = Effect.gen(function* () {
    let course: Course = { done: 0, url: undefined }
    while (!Tally.isComplete(yield* Ref.get(tally), settings.messages)) {
      const event = yield* kernels.next
      if (event._tag === "Ended") {
        return yield* new RunFailed({ sentence: `The kernel ${event.name} ended by itself (${event.how}).` })
      }
      course = yield* disrupt(yield* hear(course, event.report))
    }
  })

  const files = { alice: kernels.storeOf("alice"), bob: kernels.storeOf("bob") }
  const end = Effect.zipRight(kernels.end("alice"), kernels.end("bob"))
  return Effect.zipRight(startBob, loop).pipe(Effect.zipLeft(end), Effect.as(files))
})

/**
 * Has alice send everything to bob, with all that is planned in between, and then stops both. Answers with their stores.
 * Whatever happens, no process and no port is left when it ends.
 */
export const exchange = (settings: Settings, directory: string, tally: Ref.Ref<Tally.Tally>) =>
  make(settings, directory, tally).pipe(
    Effect.flatMap((run) => Effect.raceFirst(run, watch(tally))),
    Effect.scoped
  )

/**
 * Kernels, over all their lives: started, told, killed, started again, and ended.
 */
import * as Path from "@effect/platform/Path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { RunFailed } from "./failure.ts"
import * as Life from "./life.ts"
import type { Language } from "./lines.ts"

/**
 * What a kernel says, or that it ended although nobody asked it to.
 */
export type Event<Name, Report> =
  | { readonly _tag: "Said"; readonly name: Name; readonly report: Report }
  | { readonly _tag: "Ended"; readonly name: Name; readonly how: string }

interface Present<Instruction, Report> {
  readonly life: Life.Life<Instruction, Report>
  readonly scope: Scope.CloseableScope
}

/**
 * How to make kernels.
 */
export interface Options<Instruction, Report> {
  /** Where their stores and logs are. */
  readonly directory: string
  readonly language: Language<Instruction, Report>
  readonly flags?: ReadonlyArray<string>
}

/**
 * Kernels, none of them started. At the end of the scope they are stopped.
 */
export const make = Effect.fnUntraced(function* <Name extends string, Instruction, Report>({
  directory,
  flags,
  language
}: Options<Instruction, Report>) {
  type Life = Life.Life<Instruction, Report>
  const path = yield* Path.Path
  const parent = yield* Effect.scope
  const events = yield* Mailbox.make<readonly [Life, Name, Event<Name, Report>]>({ capacity: 1024 })
  const present = new Map<Name, Present<Instruction, Report>>()

  const storeOf = (name: Name) => path.join(directory, `${name}.sqlite`)

  const begin = Effect.fnUntraced(function* (name: Name, first: Instruction, scope: Scope.CloseableScope) {
    const log = path.join(directory, `${name}.log`)
    const life = yield* Life.start({ args: [name, storeOf(name)], first, flags, language, log })
    present.set(name, { life, scope })
    yield* life
      .listen((report) => events.offer([life, name, { _tag: "Said", name, report }]))
      .pipe(
        Effect.flatMap((how) => events.offer([life, name, { _tag: "Ended", name, how }])),
        Effect.forkScoped
      )
  })

  /** Starts a life of the kernel with its first instruction. */
  const start = (name: Name, first: Instruction) =>
    Scope.fork(parent, ExecutionStrategy.sequential).pipe(
      Effect.flatMap((scope) => Scope.extend(begin(name, first, scope), scope)),
      Effect.mapError((cause) => new RunFailed({ sentence: `The kernel ${name} cannot be started.`, cause }))
    )

  /** From here on the kernel may end, and what it still says is not heard. */
  const dismiss = (name: Name) =>
    Effect.sync(() => {
      const found = Option.fromNullable(present.get(name))
      present.delete(name)
      return found
    })

  /** Kills the kernel as a power failure would: it gets no time to do anything. */
  const kill = Effect.fnUntraced(function* (name: Name) {
    const found = yield* dismiss(name)
    if (Option.isNone(found)) return
    yield* Effect.ignore(found.value.life.process.kill("SIGKILL"))
    yield* Scope.close(found.value.scope, Exit.void)
  })

  /** Ends the kernel gracefully, or fails if it does not end so. */
  const end = Effect.fnUntraced(function* (name: Name) {
    const found = yield* dismiss(name)
    if (Option.isNone(found)) return
    const { life, scope } = found.value
    const inTime = yield* Life.stop(life.process)
    const code = yield* Effect.option(life.process.exitCode)
    const how = inTime ? yield* life.howItEnded : `it was killed after ${Life.stopDeadline}`
    yield* Scope.close(scope, Exit.void)
    if (!inTime || !Option.exists(code, (it) => it === 0)) {
      return yield* new RunFailed({ sentence: `The kernel ${name} did not end in good order (${how}).` })
    }
  })

  /** Lets the kernel sleep; it does not know. */
  const freeze = (name: Name, time: Duration.DurationInput) =>
    Effect.suspend(() => {
      const life = present.get(name)?.life
      return life === undefined ? Effect.void : Effect.ignore(Life.freeze(life.process, time))
    })

  const tell = (name: Name, instruction: Instruction) =>
    Effect.suspend(() => present.get(name)?.life.tell(instruction) ?? Effect.void)

  /** The next event of a life that has not been dismissed. */
  const next: Effect.Effect<Event<Name, Report>> = Effect.orDie(events.take).pipe(
    Effect.repeat({ until: ([life, name]) => present.get(name)?.life === life }),
    Effect.map(([, , event]) => event)
  )

  return { end, freeze, kill, next, start, storeOf, tell }
})

import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberSet from "effect/FiberSet"
import { isDone, made } from "./atOnce.ts"
import type { Timers } from "./timers.ts"

/**
 * What log lines are annotated with.
 *
 * @internal
 */
export type Label = Readonly<Record<string, string>>

/**
 * Work that comes up again and again, one round after the other. A round begins in a turn of its own; where it is done at once, it
 * takes no fiber. A fiber takes up some five kilobytes, so that there is one only for what has to be waited for: it rests a while for
 * the next such round, as cheaply as a `Signal` has it wait, and then ends.
 *
 * @internal
 */
export class OnCall {
  readonly #roster: Roster
  readonly #label: Label
  readonly #work: () => Effect.Effect<void>
  readonly #recover: ((cause: Cause.Cause<never>) => Effect.Effect<void>) | undefined
  #shift: Shift | undefined = undefined
  /** Whether there is a round to come. */
  #isCalled = false
  /** Whether a fiber is at a round, and does what comes up meanwhile as well. */
  #isAtWork = false
  #isOver = false

  /** Without `recover` work that dies is done no more; with it, it is done again once that has run. */
  constructor(
    roster: Roster,
    label: Label,
    work: () => Effect.Effect<void>,
    recover?: (cause: Cause.Cause<never>) => Effect.Effect<void>
  ) {
    this.#roster = roster
    this.#label = label
    this.#work = work
    this.#recover = recover
  }

  /** There is something to do. */
  call(): void {
    if (this.#isOver || this.#isCalled) return
    this.#isCalled = true
    if (!this.#isAtWork) this.#roster.soon(() => this.#round())
  }

  /** As `call`, but the round begins before this returns, unless one is under way. */
  callNow(): void {
    this.#isCalled = true
    if (!this.#isAtWork) this.#round()
  }

  /** Interrupts what is being done, and does nothing from then on. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isOver = true
      const shift = this.#shift
      this.#shift = undefined
      return shift === undefined ? Effect.void : shift.interrupt()
    })
  }

  /** The next round for the fiber that is at work; undefined if there is none. */
  next(): Effect.Effect<void> | undefined {
    this.#isAtWork = this.#isCalled
    if (!this.#isCalled) return undefined
    this.#isCalled = false
    return this.#work()
  }

  /** What becomes of a fiber whose work died. */
  recovered(cause: Cause.Cause<never>): Effect.Effect<void> {
    if (this.#recover === undefined) return Effect.failCause(cause)
    return Effect.map(this.#recover(cause), () => {
      this.#isCalled = true
    })
  }

  #round(): void {
    // It may have been done meanwhile.
    if (this.#isOver || !this.#isCalled || this.#isAtWork) return
    this.#isCalled = false
    this.#isAtWork = true
    const round = made(this.#work)
    if (isDone(round)) return this.#rest()
    let shift = this.#shift
    if (shift === undefined || shift.isOver) {
      shift = new Shift(this)
      this.#shift = shift
      this.#roster.begin(shift, this.#label)
    }
    shift.do(round)
  }

  /** What was called for during a round comes in a turn of its own. */
  #rest(): void {
    this.#isAtWork = false
    if (this.#isCalled) this.#roster.soon(() => this.#round())
  }
}

/**
 * One fiber, for as long as there are rounds for one.
 *
 * @internal
 */
export class Shift {
  readonly #owner: OnCall
  fiber: Fiber.RuntimeFiber<void> | undefined = undefined
  /** Whether there was a round since it was looked at last. */
  #isUsed = false
  /** A round to be done as soon as the fiber runs. */
  #first: Effect.Effect<void> | undefined = undefined
  #resume: ((effect: Effect.Effect<void>) => void) | undefined = undefined
  isOver = false

  constructor(owner: OnCall) {
    this.#owner = owner
  }

  do(round: Effect.Effect<void>): void {
    this.#isUsed = true
    if (this.#resume === undefined) this.#first = round
    else this.#goOn(round)
  }

  /** Ends the fiber if it has waited ever since the last look; whether it is over. */
  look(): boolean {
    if (this.#resume !== undefined && !this.#isUsed) {
      this.isOver = true
      // It still has a step or two to go, and would be kept in memory by who keeps this.
      this.fiber = undefined
      this.#goOn(Effect.void)
    }
    this.#isUsed = false
    return this.isOver
  }

  interrupt(): Effect.Effect<void> {
    this.isOver = true
    return this.fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(this.fiber))
  }

  run(): Effect.Effect<void> {
    const rest = Effect.async<void>((resume) => {
      // The fiber may have let others go first on the way here.
      if (this.#first === undefined && !this.isOver) this.#resume = resume
      else resume(Effect.void)
    })
    const rounds = Effect.whileLoop({
      while: () => !this.isOver,
      body: () => this.#next() ?? rest,
      step: () => undefined
    })
    return Effect.catchAllCause(rounds, (cause) => Effect.flatMap(this.#owner.recovered(cause), () => this.run()))
  }

  #next(): Effect.Effect<void> | undefined {
    const first = this.#first
    this.#first = undefined
    return first ?? this.#owner.next()
  }

  #goOn(round: Effect.Effect<void>): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.(round)
  }
}

/**
 * Gives work a fiber whenever it comes up; all of them end with the scope that this was made in.
 *
 * @internal
 */
export interface Roster {
  /** Runs what waits by itself. Unlike with `Effect.fork` the fiber does not keep the one in memory that forked it. */
  readonly run: (label: Label, work: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  /** Gives the shift a fiber, which ends when there was no round for it for a while. */
  readonly begin: (shift: Shift, label: Label) => void
  /** Calls back in a turn of its own, as the scheduler would run a fiber. */
  readonly soon: (task: () => void) => void
}

/** How often is looked for fibers that wait: longer than a busy peer is silent, and short beside how long an idle one is. */
const lookInterval = 1000

/**
 * @internal
 */
export const makeRoster = Effect.fnUntraced(function* (timers: Timers) {
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  const scheduler = yield* FiberRef.get(FiberRef.currentScheduler)
  const shifts = new Set<Shift>()
  const timer = timers.make(() => {
    for (const shift of shifts) if (shift.look()) shifts.delete(shift)
    if (shifts.size > 0) timer.setIn(lookInterval)
    return Effect.void
  })
  const roster: Roster = {
    // It begins in a turn of its own, and, like whatever a scope owns, can be interrupted.
    run: (label, work) => run(Effect.annotateLogs(Effect.interruptible(work), label), { immediate: false }),
    begin: (shift, label) => {
      shifts.add(shift)
      if (!timer.isSet()) timer.setIn(lookInterval)
      shift.fiber = roster.run(label, shift.run())
    },
    soon: (task) => scheduler.scheduleTask(task, 0)
  }
  return roster
})

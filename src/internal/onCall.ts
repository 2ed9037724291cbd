import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type { Timers } from "./timers.ts"

/**
 * What log lines are annotated with.
 *
 * @internal
 */
export type Label = Readonly<Record<string, string>>

/**
 * Work that comes up again and again, one round after the other in a fiber of its own. A fiber takes up some five kilobytes, so that
 * there is one only while the work comes up: it waits a while for the next call, as cheaply as a `Signal` has it wait, and then ends.
 *
 * @internal
 */
export class OnCall {
  readonly #roster: Roster
  readonly #label: Label
  readonly #work: () => Effect.Effect<void>
  #shift: Shift | undefined = undefined
  #isOver = false

  constructor(roster: Roster, label: Label, work: () => Effect.Effect<void>) {
    this.#roster = roster
    this.#label = label
    this.#work = work
  }

  /** There is something to do; who is at it does another round. */
  call(): void {
    if (this.#isOver) return
    let shift = this.#shift
    if (shift === undefined || shift.isOver) {
      shift = new Shift(this.#work)
      this.#shift = shift
      this.#roster.begin(shift, this.#label)
    }
    shift.call()
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
}

/**
 * One fiber, for as long as there are calls.
 *
 * @internal
 */
export class Shift {
  readonly #work: () => Effect.Effect<void>
  fiber: Fiber.RuntimeFiber<void> | undefined = undefined
  #isCalled = false
  /** Whether there was a call since it was looked at last. */
  #isUsed = false
  #resume: ((effect: Effect.Effect<void>) => void) | undefined = undefined
  isOver = false

  constructor(work: () => Effect.Effect<void>) {
    this.#work = work
  }

  call(): void {
    this.#isCalled = true
    this.#isUsed = true
    this.#goOn()
  }

  /** Ends the fiber if it has waited ever since the last look; whether it is over. */
  look(): boolean {
    if (this.#resume !== undefined && !this.#isUsed) {
      this.isOver = true
      // It still has a step or two to go, and would be kept in memory by who keeps this.
      this.fiber = undefined
      this.#goOn()
    }
    this.#isUsed = false
    return this.isOver
  }

  interrupt(): Effect.Effect<void> {
    this.isOver = true
    return this.fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(this.fiber))
  }

  get run(): Effect.Effect<void> {
    const wait = Effect.async<void>((resume) => {
      this.#resume = resume
    })
    return Effect.whileLoop({
      while: () => !this.isOver,
      body: () => {
        if (!this.#isCalled) return wait
        this.#isCalled = false
        return this.#work()
      },
      step: () => undefined
    })
  }

  #goOn(): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.(Effect.void)
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
  /** Gives the shift a fiber, which ends when there was no call for a while. If its work dies, it is done no more. */
  readonly begin: (shift: Shift, label: Label) => void
}

/** How often is looked for fibers that wait: longer than a busy peer is silent, and short beside how long an idle one is. */
const lookInterval = 1000

/**
 * @internal
 */
export const makeRoster = Effect.fnUntraced(function* (timers: Timers) {
  const run = yield* FiberSet.makeRuntime<never, void, never>()
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
      shift.fiber = roster.run(label, shift.run)
    }
  }
  return roster
})

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import { isDone, made } from "./atOnce.ts"
import { DueHeap } from "./dueHeap.ts"
import { monotonic } from "./monotonic.ts"
import { sleepFor } from "./sleepFor.ts"

/**
 * Something that is to happen after a while, which may be set anew at any moment. To set it costs a field, and setting the wall
 * clock does not move it.
 *
 * @internal
 */
export interface Timer {
  /** Rings in so many milliseconds from now, and at no other time. */
  readonly setIn: (millis: number) => void
  readonly unset: () => void
  /** Whether it is to ring. */
  readonly isSet: () => boolean
  /** It never rings any more. */
  readonly end: () => void
}

/**
 * The timers of one scope, which end with it.
 *
 * @internal
 */
export interface Timers {
  readonly clock: Clock.Clock
  /**
   * What the timer does when it rings, if it is not done at once, runs in a fiber of the scope, and never twice at once: a timer that
   * is due again meanwhile rings when that is over.
   */
  readonly make: (onRing: () => Effect.Effect<void>) => Timer
}

/**
 * All timers of a layer, watched together: one that has nothing to do costs a few fields. A kernel with many peers would
 * have thousands of fibers otherwise.
 *
 * @internal
 */
export interface Clockwork {
  readonly clock: Clock.Clock
  /** A timer that whoever asks for it ends, no later than the scope. */
  readonly make: (scope: Scope.Scope, onRing: () => Effect.Effect<void>) => Timer
  readonly within: (scope: Scope.Scope) => Effect.Effect<Timers>
}

/** Of a class, and with nothing made before it rings: there are seven for each peer. */
class Entry implements Timer {
  lookAt = 0
  place = -1
  ringAt: number | undefined = undefined
  isRinging = false
  isOver = false
  readonly #schedule: (entry: Entry) => void
  readonly #scope: Scope.Scope
  readonly #clock: Clock.Clock
  readonly #onRing: () => Effect.Effect<void>

  constructor(
    scope: Scope.Scope,
    clock: Clock.Clock,
    onRing: () => Effect.Effect<void>,
    schedule: (entry: Entry) => void
  ) {
    this.#scope = scope
    this.#clock = clock
    this.#onRing = onRing
    this.#schedule = schedule
  }

  setIn(millis: number): void {
    if (this.isOver) return
    this.ringAt = monotonic(this.#clock) + millis
    this.#schedule(this)
  }

  unset(): void {
    this.ringAt = undefined
  }

  isSet(): boolean {
    return this.ringAt !== undefined
  }

  end(): void {
    this.isOver = true
    this.ringAt = undefined
    this.#schedule(this)
  }

  /** What is done at once needs no fiber. */
  ring(): Effect.Effect<unknown> {
    this.ringAt = undefined
    const work = made(this.#onRing)
    if (isDone(work)) return work
    this.isRinging = true
    const over = Effect.sync(() => {
      this.isRinging = false
      this.#schedule(this)
    })
    return Effect.forkIn(Effect.ensuring(work, over), this.#scope)
  }
}

/** The timers that end with a scope. */
class Owned implements Timers {
  readonly clock: Clock.Clock
  readonly #make: Timers["make"]
  readonly #timers: Array<Timer> = []

  constructor(clock: Clock.Clock, make: Timers["make"]) {
    this.clock = clock
    this.#make = make
  }

  make(onRing: () => Effect.Effect<void>): Timer {
    const timer = this.#make(onRing)
    this.#timers.push(timer)
    return timer
  }

  get end(): Effect.Effect<void> {
    return Effect.sync(() => this.#timers.forEach((timer) => timer.end()))
  }
}

/** It sleeps no longer: the timers of JavaScript end with 2³¹ ms, and stand still while a computer is asleep. */
const longestSleep = 86_400_000

/**
 * Each fiber that sleeps does so to its end: one that is to wake earlier than all others is begun beside them. To begin a fiber takes
 * less than to race a sleep with what could end it, and between two messages there is a deadline that comes before the others. One that
 * wakes sleeps again until the next is due, unless another wakes before that; then it rests until it is needed, which takes a fraction
 * of beginning another. There is one that rests at most.
 *
 * @internal
 */
export const makeClockwork: Effect.Effect<Clockwork, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.clockWith(Effect.succeed)
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  const heap = new DueHeap<Entry>()
  /** When those wake that sleep, the earliest last: each was begun because it wakes before all others. */
  const wakings: Array<number> = []
  /** Sends the fiber that rests back to sleep, until then. */
  let sleepAgain: ((at: number) => void) | undefined
  /** Whoever has just woken looks when it is to wake next once all has rung. */
  let isRinging = false

  /** One that moves to a later time, or rings no more, is found out when its former time has come; one that is over goes at once. */
  const place = (entry: Entry): void => {
    const { ringAt } = entry
    if (entry.isOver) return heap.remove(entry)
    if (ringAt === undefined || entry.isRinging || (entry.place !== -1 && entry.lookAt <= ringAt)) return
    heap.put(entry, ringAt)
  }
  /** When somebody is to wake, because nobody does so before the first is due. */
  const nextWaking = (): number | undefined => {
    const { first } = heap
    if (first === undefined || first.lookAt >= (wakings.at(-1) ?? Infinity)) return undefined
    const at = Math.min(first.lookAt, monotonic(clock) + longestSleep)
    wakings.push(at)
    return at
  }
  /** Sees to it that somebody wakes when the first is due. */
  const arrange = (): void => {
    if (isRinging) return
    const at = nextWaking()
    if (at === undefined) return
    const again = sleepAgain
    sleepAgain = undefined
    if (again === undefined) run(sleepUntil(at), { immediate: false })
    else again(at)
  }
  const schedule = (entry: Entry): void => {
    place(entry)
    arrange()
  }
  const takeDue = (now: number): Array<Entry> => {
    const due: Array<Entry> = []
    for (let first = heap.first; first !== undefined && first.lookAt <= now; first = heap.first) {
      heap.remove(first)
      if (first.ringAt !== undefined && first.ringAt <= now) due.push(first)
      else place(first)
    }
    return due
  }
  const ring = (entry: Entry): Effect.Effect<unknown> => {
    if (entry.ringAt !== undefined && entry.ringAt <= monotonic(clock)) return entry.ring()
    // Whoever rang before it has set it anew, or ended it.
    place(entry)
    return Effect.void
  }
  /** Rings whatever is due, and gives what takes longer. */
  const ringAll = (): ReadonlyArray<Effect.Effect<unknown>> => {
    isRinging = true
    const work = takeDue(monotonic(clock)).map(ring)
    isRinging = false
    return work.filter((it) => !isDone(it))
  }
  const sleepUntil = (first: number): Effect.Effect<void> => {
    let at = first
    let goesOn = true
    const sleep = Effect.suspend(() => sleepFor(clock, at - monotonic(clock)))
    const sleepOn = (next: number): Effect.Effect<boolean> => {
      at = next
      return Effect.succeed(true)
    }
    const rest = Effect.async<boolean>((resume) => {
      if (sleepAgain !== undefined) return resume(Effect.succeed(false))
      sleepAgain = (next) => resume(sleepOn(next))
    })
    const wake = (): Effect.Effect<boolean> => {
      // Two that wake at nearly the same time may do so in any order.
      wakings.splice(wakings.lastIndexOf(at), 1)
      const work = ringAll()
      const next = nextWaking()
      const then = next === undefined ? rest : sleepOn(next)
      return work.length === 0 ? then : Effect.zipRight(Effect.all(work, { discard: true }), then)
    }
    return Effect.whileLoop({
      while: () => goesOn,
      body: () => Effect.flatMap(sleep, wake),
      step: (again) => {
        goesOn = again
      }
    })
  }

  const make: Clockwork["make"] = (scope, onRing) => new Entry(scope, clock, onRing, schedule)
  return {
    clock,
    make,
    within: (scope) => {
      const timers = new Owned(clock, (onRing) => make(scope, onRing))
      return Effect.as(Scope.addFinalizer(scope, timers.end), timers)
    }
  }
})

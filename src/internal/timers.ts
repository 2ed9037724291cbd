import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { DueHeap } from "./dueHeap.ts"

/**
 * Something that is to happen at a time, which may be set anew at any moment. To set it costs a field.
 *
 * @internal
 */
export interface Timer {
  /** Rings at that time (ms since the Unix epoch) and at no other; undefined: not at all. */
  readonly set: (at: number | undefined) => void
  /** When it is to ring. */
  readonly at: () => number | undefined
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
   * What the timer does when it rings runs in a fiber of the scope, and never twice at once: a timer that is due again meanwhile
   * rings when that is over.
   */
  readonly make: (onRing: Effect.Effect<void>) => Timer
}

/**
 * All timers of a layer, which one fiber watches: one that has nothing to do costs a few fields. A kernel with many peers would
 * have thousands of fibers otherwise.
 *
 * @internal
 */
export interface Clockwork {
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
  readonly #onRing: Effect.Effect<void>

  constructor(scope: Scope.Scope, onRing: Effect.Effect<void>, schedule: (entry: Entry) => void) {
    this.#scope = scope
    this.#onRing = onRing
    this.#schedule = schedule
  }

  set(at: number | undefined): void {
    if (this.isOver) return
    this.ringAt = at
    this.#schedule(this)
  }

  at(): number | undefined {
    return this.ringAt
  }

  end(): void {
    this.isOver = true
    this.ringAt = undefined
    this.#schedule(this)
  }

  ring(): Effect.Effect<unknown> {
    this.ringAt = undefined
    this.isRinging = true
    const over = Effect.sync(() => {
      this.isRinging = false
      this.#schedule(this)
    })
    return Effect.forkIn(Effect.ensuring(this.#onRing, over), this.#scope)
  }
}

/** It sleeps no longer: the timers of JavaScript end with 2³¹ ms, and stand still while a computer is asleep. */
const longestSleep = 86_400_000

/**
 * @internal
 */
export const makeClockwork: Effect.Effect<Clockwork, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.clockWith(Effect.succeed)
  const earlier = Effect.unsafeMakeLatch(false)
  const heap = new DueHeap<Entry>()
  /** When the fiber looks again by itself; it looks at once while this is before all times. */
  let looksAt = -Infinity

  /** One that moves to a later time, or rings no more, is found out when its former time has come; one that is over goes at once. */
  const schedule = (entry: Entry): void => {
    const { ringAt } = entry
    if (entry.isOver) return heap.remove(entry)
    if (ringAt === undefined || entry.isRinging || (entry.place !== -1 && entry.lookAt <= ringAt)) return
    heap.put(entry, ringAt)
    if (ringAt < looksAt) earlier.unsafeOpen()
  }
  const takeDue = (now: number): Array<Entry> => {
    const due: Array<Entry> = []
    for (let first = heap.first; first !== undefined && first.lookAt <= now; first = heap.first) {
      heap.remove(first)
      if (first.ringAt !== undefined && first.ringAt <= now) due.push(first)
      else schedule(first)
    }
    return due
  }
  const ring = (entry: Entry): Effect.Effect<unknown> =>
    Effect.suspend(() => {
      // Whoever rang before it may have set it anew, or ended it.
      if (entry.ringAt === undefined || entry.ringAt > clock.unsafeCurrentTimeMillis()) {
        schedule(entry)
        return Effect.void
      }
      return entry.ring()
    })
  const watch: Effect.Effect<unknown> = Effect.suspend(() => {
    earlier.unsafeClose()
    looksAt = -Infinity
    const now = clock.unsafeCurrentTimeMillis()
    const due = takeDue(now)
    if (due.length > 0) return Effect.forEach(due, ring, { discard: true })
    looksAt = Math.min(heap.first?.lookAt ?? Infinity, now + longestSleep)
    if (heap.first === undefined) return earlier.await
    return Effect.raceFirst(Effect.sleep(looksAt - now), earlier.await)
  })
  yield* Effect.forkScoped(Effect.interruptible(Effect.forever(watch)))

  return {
    within: (scope) =>
      Effect.gen(function* () {
        const entries: Array<Entry> = []
        yield* Scope.addFinalizer(
          scope,
          Effect.sync(() => entries.forEach((entry) => entry.end()))
        )
        return {
          clock,
          make: (onRing) => {
            const entry = new Entry(scope, onRing, schedule)
            entries.push(entry)
            return entry
          }
        }
      })
  }
})

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { DueHeap } from "./dueHeap.ts"
import { monotonic } from "./monotonic.ts"

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

interface Entry {
  lookAt: number
  place: number
  ringAt: number | undefined
  isRinging: boolean
  isOver: boolean
  readonly ring: Effect.Effect<unknown>
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

  /** One that moves to a later time is found out when its former time has come. */
  const schedule = (entry: Entry): void => {
    const { ringAt } = entry
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
      if (entry.ringAt === undefined || entry.ringAt > monotonic(clock)) {
        schedule(entry)
        return Effect.void
      }
      entry.ringAt = undefined
      entry.isRinging = true
      return entry.ring
    })
  const watch: Effect.Effect<unknown> = Effect.suspend(() => {
    earlier.unsafeClose()
    looksAt = -Infinity
    const now = monotonic(clock)
    const due = takeDue(now)
    if (due.length > 0) return Effect.forEach(due, ring, { discard: true })
    looksAt = Math.min(heap.first?.lookAt ?? Infinity, now + longestSleep)
    if (heap.first === undefined) return earlier.await
    return Effect.raceFirst(Effect.sleep(looksAt - now), earlier.await)
  })
  yield* Effect.forkScoped(Effect.interruptible(Effect.forever(watch)))

  const makeEntry = (scope: Scope.Scope, onRing: Effect.Effect<void>): Entry => {
    const over = Effect.sync(() => {
      entry.isRinging = false
      schedule(entry)
    })
    const entry: Entry = {
      lookAt: 0,
      place: -1,
      ringAt: undefined,
      isRinging: false,
      isOver: false,
      ring: Effect.forkIn(Effect.ensuring(onRing, over), scope)
    }
    return entry
  }
  const end = (entry: Entry): void => {
    entry.isOver = true
    entry.ringAt = undefined
    heap.remove(entry)
  }
  const timerOf = (entry: Entry): Timer => ({
    setIn: (millis) => {
      if (entry.isOver) return
      entry.ringAt = monotonic(clock) + millis
      schedule(entry)
    },
    unset: () => {
      entry.ringAt = undefined
    },
    isSet: () => entry.ringAt !== undefined,
    end: () => end(entry)
  })
  return {
    within: (scope) =>
      Effect.gen(function* () {
        const entries: Array<Entry> = []
        yield* Scope.addFinalizer(
          scope,
          Effect.sync(() => entries.forEach(end))
        )
        return {
          clock,
          make: (onRing) => {
            const entry = makeEntry(scope, onRing)
            entries.push(entry)
            return timerOf(entry)
          }
        }
      })
  }
})

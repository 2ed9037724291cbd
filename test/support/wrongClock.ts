/** A clock that somebody sets: what time of day it tells goes wrong, and nothing else. */
import * as Effect from "effect/Effect"

export interface WrongClock {
  /** Sets it ahead by as many milliseconds more, or back. */
  readonly set: (millis: number) => void
  /** Has an effect, and what it forks, go by this clock. */
  readonly within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const makeWrongClock: Effect.Effect<WrongClock> = Effect.map(Effect.clock, (right) => {
  let wrong = 0
  const now = () => right.unsafeCurrentTimeMillis() + wrong
  const clock: typeof right = {
    ...right,
    sleep: (duration) => right.sleep(duration),
    unsafeCurrentTimeMillis: now,
    unsafeCurrentTimeNanos: () => right.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.sync(now),
    currentTimeNanos: right.currentTimeNanos
  }
  return {
    set: (millis) => {
      wrong += millis
    },
    within: (effect) => Effect.withClock(effect, clock)
  }
})

import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"

/** A nanosecond, the least that `Duration` knows. */
const shortest = 1e-6

/**
 * Sleeps for so many milliseconds, and for some time if that is more than none. Of less than half a nanosecond, as is left of a sum
 * of times by rounding, `Duration` makes none at all; where time goes on only when it is told to, as under `TestClock`, who sleeps
 * until it is over would then go round for ever.
 *
 * @internal
 */
export const sleepFor = (clock: Clock.Clock, millis: number): Effect.Effect<void> =>
  clock.sleep(Duration.millis(millis > 0 ? Math.max(millis, shortest) : 0))

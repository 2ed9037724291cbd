import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Timers } from "./timers.ts"

/**
 * A deadline that is armed and disarmed by setting a field. Setting the wall clock does not move it.
 *
 * @internal
 */
export interface Deadline {
  /** Lets the deadline pass after its duration from now; one that is armed already is moved. */
  readonly arm: () => void
  /** As `arm`, but leaves one that is armed already where it is. */
  readonly armOnce: () => void
  readonly disarm: () => void
}

/**
 * @internal
 */
export const makeDeadline = ({ make }: Timers, after: Duration.Duration, onExpire: Effect.Effect<void>): Deadline => {
  const millis = Duration.toMillis(after)
  const timer = make(onExpire)
  const arm = () => timer.setIn(millis)
  return {
    arm,
    armOnce: () => {
      if (!timer.isSet()) arm()
    },
    disarm: () => timer.unset()
  }
}

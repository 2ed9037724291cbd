import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Timer, Timers } from "./timers.ts"

/**
 * A deadline that is armed and disarmed by setting a field. Setting the wall clock does not move it.
 *
 * @internal
 */
export class Deadline {
  readonly #millis: number
  readonly #timer: Timer

  constructor(timers: Timers, after: Duration.Duration, onExpire: () => Effect.Effect<void>) {
    this.#millis = Duration.toMillis(after)
    this.#timer = timers.make(onExpire)
  }

  /** Lets the deadline pass after its duration from now; one that is armed already is moved. */
  arm(): void {
    this.#timer.setIn(this.#millis)
  }

  /** As `arm`, but leaves one that is armed already where it is. */
  armOnce(): void {
    if (!this.#timer.isSet()) this.arm()
  }

  disarm(): void {
    this.#timer.unset()
  }
}

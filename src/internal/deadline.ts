import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonic } from "./monotonic.ts"

/**
 * A deadline that is armed and disarmed by setting a field; one fiber watches it. Setting the wall clock does not move it.
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
export const makeDeadline = Effect.fnUntraced(function* (after: Duration.Duration, onExpire: Effect.Effect<void>) {
  const clock = yield* Clock.clockWith(Effect.succeed)
  const millis = Duration.toMillis(after)
  const armed = Effect.unsafeMakeLatch(false)
  let dueAt: number | undefined
  const watch: Effect.Effect<void> = Effect.suspend(() => {
    if (dueAt === undefined) {
      armed.unsafeClose()
      return armed.await
    }
    const left = dueAt - monotonic(clock)
    if (left > 0) return Effect.sleep(left)
    dueAt = undefined
    return onExpire
  })
  yield* Effect.forkScoped(Effect.forever(watch))
  const arm = () => {
    dueAt = monotonic(clock) + millis
    armed.unsafeOpen()
  }
  const deadline: Deadline = {
    arm,
    armOnce: () => {
      if (dueAt === undefined) arm()
    },
    disarm: () => {
      dueAt = undefined
    }
  }
  return deadline
})

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/**
 * Something that is to happen at a time, which may be set anew at any moment; one fiber, and one timer, watch it.
 *
 * @internal
 */
export interface Alarm {
  /** Rings at that time (ms since the Unix epoch) and at no other; undefined: not at all. */
  readonly set: (at: number | undefined) => void
}

/** No timer runs for longer: those of JavaScript end with 2³¹ ms, and stand still while a computer is asleep. */
const longestSleep = 86_400_000

/**
 * @internal
 */
export const makeAlarm = Effect.fnUntraced(function* (onRing: Effect.Effect<void>) {
  const clock = yield* Clock.clockWith(Effect.succeed)
  const earlier = Effect.unsafeMakeLatch(false)
  let ringAt: number | undefined
  /** When the fiber looks again by itself. */
  let looksAt = Infinity
  const watch: Effect.Effect<void> = Effect.suspend(() => {
    earlier.unsafeClose()
    looksAt = Infinity
    if (ringAt === undefined) return earlier.await
    const now = clock.unsafeCurrentTimeMillis()
    if (ringAt > now) {
      looksAt = Math.min(ringAt, now + longestSleep)
      return Effect.raceFirst(Effect.sleep(looksAt - now), earlier.await)
    }
    ringAt = undefined
    return onRing
  })
  yield* Effect.forkScoped(Effect.forever(watch))
  const alarm: Alarm = {
    set: (at) => {
      ringAt = at
      if (at !== undefined && at < looksAt) earlier.unsafeOpen()
    }
  }
  return alarm
})

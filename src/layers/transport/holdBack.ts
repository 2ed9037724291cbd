import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonic } from "../../internal/monotonic.ts"
import * as Rate from "../../protocol/Rate.ts"

/**
 * @internal
 */
export interface InboundLimits {
  readonly maxInboundMessagesPerSecond: number
  readonly maxInboundBytesPerSecond: number
}

/** Shorter than any peer of ours waits before it asks whether we are there. */
const slice = 150

/**
 * Counts frames and bytes of a peer; the effect that it gives waits until the peer may be read again, and is undefined if it
 * may be at once. Every so often on the way it runs `sign`, so that the peer does not take the pause for a dead path.
 *
 * @internal
 */
export const makeHoldBack = (clock: Clock.Clock, limits: InboundLimits, sign: Effect.Effect<void>) => {
  const messageRate = Rate.perSecond(limits.maxInboundMessagesPerSecond)
  const byteRate = Rate.perSecond(limits.maxInboundBytesPerSecond)
  let messages = Rate.empty
  let bytes = Rate.empty

  const left = (): number => {
    const now = monotonic(clock)
    return Math.max(Rate.wait(messageRate, messages, now), Rate.wait(byteRate, bytes, now))
  }
  const pause: Effect.Effect<void> = Effect.suspend(() => {
    const millis = left()
    if (millis === 0) return Effect.void
    const rest = Effect.sleep(Duration.millis(Math.min(millis, slice)))
    return Effect.zipRight(millis > slice ? Effect.zipLeft(rest, sign) : rest, pause)
  })

  return (count: number, size: number): Effect.Effect<void> | undefined => {
    const now = monotonic(clock)
    messages = Rate.charge(messageRate, messages, now, count)
    bytes = Rate.charge(byteRate, bytes, now, size)
    // What was read is over the limit at most by itself: what is next is not read before it would be within.
    return left() === 0 ? undefined : pause
  }
}

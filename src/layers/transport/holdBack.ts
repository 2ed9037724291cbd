import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonic } from "../../internal/monotonic.ts"
import * as Rate from "../../protocol/Rate.ts"
import type { ChannelLimits } from "./channelLimits.ts"

type InboundRates = Pick<ChannelLimits, "messageRate" | "byteRate">

/** Shorter than any peer of ours waits before it asks whether we are there. */
const slice = 150

/**
 * Counts frames and bytes of a peer, and holds it back where they are too many.
 *
 * @internal
 */
export class HoldBack {
  readonly #clock: Clock.Clock
  readonly #rates: InboundRates
  #messages = Rate.empty
  #bytes = Rate.empty

  constructor(clock: Clock.Clock, rates: InboundRates) {
    this.#clock = clock
    this.#rates = rates
  }

  /** Whether the peer must not be read for a while. What was read is over the limit at most by itself. */
  charge(count: number, size: number): boolean {
    const now = monotonic(this.#clock)
    this.#messages = Rate.charge(this.#rates.messageRate, this.#messages, now, count)
    this.#bytes = Rate.charge(this.#rates.byteRate, this.#bytes, now, size)
    return this.#left(now) > 0
  }

  /**
   * Waits until the peer may be read again. Every so often on the way it runs `sign`, so that the peer does not take the pause for a
   * dead path.
   */
  pause(sign: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const millis = this.#left(monotonic(this.#clock))
      if (millis === 0) return Effect.void
      const rest = Effect.sleep(Duration.millis(Math.min(millis, slice)))
      return Effect.zipRight(millis > slice ? Effect.zipLeft(rest, sign) : rest, this.pause(sign))
    })
  }

  #left(now: number): number {
    const { byteRate, messageRate } = this.#rates
    return Math.max(Rate.wait(messageRate, this.#messages, now), Rate.wait(byteRate, this.#bytes, now))
  }
}

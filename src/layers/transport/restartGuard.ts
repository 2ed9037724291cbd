import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ResourceLimitError } from "../../errors/TransportError.ts"
import { monotonic } from "../../internal/monotonic.ts"
import * as Rate from "../../protocol/Rate.ts"
import * as Session from "../../protocol/Session.ts"
import type { Greeted } from "./greeting.ts"

/**
 * Lets a handshake pass that does not end a conversation too often: that costs this side work and dead letters, so that a peer
 * may not bring it about as it likes.
 *
 * @internal
 */
export class RestartGuard {
  #restarts = Rate.empty

  check(clock: Clock.Clock, perMinute: number, { verdict }: Greeted): Effect.Effect<void, ResourceLimitError> {
    if (!Session.isEnding(verdict)) return Effect.void
    const rate = Rate.perMinute(perMinute)
    const now = monotonic(clock)
    if (Rate.wait(rate, this.#restarts, now) > 0) {
      return new ResourceLimitError({ limit: "incarnationChanges", current: rate.max, max: rate.max })
    }
    this.#restarts = Rate.charge(rate, this.#restarts, now)
    return Effect.void
  }
}

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Deadline } from "../../internal/deadline.ts"
import type { Timers } from "../../internal/timers.ts"
import { monotonic } from "../../internal/monotonic.ts"
import * as Rate from "../../protocol/Rate.ts"

/**
 * Holds the writer to a number of messages a second. Only messages count: ACKs, probes and handshakes are exempt.
 *
 * @internal
 */
export interface Pacer {
  /** How many messages may be written now. */
  readonly allowance: () => number
  readonly charge: (messages: number) => void
  /** Wakes the writer when it may write again. */
  readonly wakeLater: () => void
}

const unlimited: Pacer = { allowance: () => Infinity, charge: () => undefined, wakeLater: () => undefined }

/** How often the writer is woken at most, so that a high limit costs no more than a low one. */
const shortestPause = 5

/**
 * @internal
 */
export const makePacer = (timers: Timers, maxMessagesPerSecond: number, wake: () => void): Pacer => {
  if (maxMessagesPerSecond === Infinity) return unlimited
  const rate = Rate.perSecond(maxMessagesPerSecond)
  const { clock } = timers
  const pause = Duration.millis(Math.max(shortestPause, Math.ceil(1000 / maxMessagesPerSecond)))
  const due = new Deadline(timers, pause, () => Effect.sync(wake))
  let state = Rate.empty
  const pacer: Pacer = {
    allowance: () => Rate.allowance(rate, state, monotonic(clock)),
    charge: (messages) => {
      state = Rate.charge(rate, state, monotonic(clock), messages)
    },
    wakeLater: () => due.armOnce()
  }
  return pacer
}

import type * as Clock from "effect/Clock"
import * as PendingAge from "../../protocol/PendingAge.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Core } from "./Core.ts"

/**
 * Remembers when messages were accepted, as closely as `PendingAge` does.
 *
 * @internal
 */
export interface AcceptTimes {
  /** To be called after each commit. */
  readonly note: () => void
  /** Since when the oldest pending message waits (ms since the Unix epoch); undefined if none is pending. */
  readonly oldest: () => number | undefined
}

/**
 * What was pending before this process counts as accepted now.
 *
 * @internal
 */
export const makeAcceptTimes = (core: Core, clock: Clock.Clock): AcceptTimes => {
  let { conversation } = core
  let marks = PendingAge.empty
  let next = SendWindow.lowestPending(core.window)
  const note = () => {
    if (core.conversation !== conversation) {
      conversation = core.conversation
      marks = PendingAge.empty
      next = SendWindow.lowestPending(core.window)
    }
    if (core.window.next === next) return
    const lowest = SendWindow.lowestPending(core.window)
    marks = PendingAge.accept(marks, { from: next, lowest, now: clock.unsafeCurrentTimeMillis() })
    next = core.window.next
  }
  note()
  return {
    note,
    oldest: () =>
      SendWindow.pending(core.window) === 0
        ? undefined
        : PendingAge.oldest(marks, SendWindow.lowestPending(core.window))
  }
}

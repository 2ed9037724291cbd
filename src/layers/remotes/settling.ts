import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Expiry from "../../protocol/Expiry.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import { endConversation } from "./Conversation.ts"
import type { Core, Ending } from "./Core.ts"
import { firstRecord } from "./Core.ts"
import { forgetFlight } from "./flight.ts"
import * as Outbox from "./Outbox.ts"
import * as Reserve from "./Reserve.ts"

/** A peer that was written nothing under a number acknowledges it only with what comes behind it; if that is all, nobody does. */
const passSkipped = (core: Core): void => {
  const { skipped } = core
  for (let [first] = skipped; first !== undefined; [first] = skipped) {
    if (first > SendWindow.lowestUnacknowledged(core.window)) return
    core.window = Either.getOrElse(SendWindow.acknowledge(core.window, first), () => core.window)
    skipped.shift()
  }
}

/**
 * Settles what can be settled, up to `through` and given what has `arrived` from the peer, tells those who wait for it, and counts it off.
 *
 * @internal
 */
export const settle = (core: Core, arrived: number = core.received, through?: number): boolean => {
  const before = core.window.settled
  passSkipped(core)
  core.window = SendWindow.settle(core.window, arrived, through)
  if (core.window.settled === before) return false
  if (before + 1 < core.sizesFrom) core.miscounted = true
  const sizes = core.sizes.splice(0, Math.max(0, core.window.settled - core.sizesFrom + 1))
  core.sizesFrom += sizes.length
  for (const size of sizes) {
    core.pendingBytes -= size
    core.bytesInFlight -= size
  }
  Outbox.release(core.outbox, core.window.settled)
  // The peer has seen these refusals, so nothing waits for them any more.
  if (core.refusals.length > 0) core.refusals = core.refusals.filter(({ reply }) => reply > core.window.settled)
  Reserve.settle(core.reserve, core.window.settled)
  for (let seq = before + 1; core.expired.size > 0 && seq <= core.window.settled; seq += 1) core.expired.delete(seq)
  const { conversation } = core
  conversation.settled = core.window.settled
  for (let seq = before + 1; conversation.waiters.size > 0 && seq <= core.window.settled; seq += 1) {
    const waiter = conversation.waiters.get(seq)
    if (waiter === undefined) continue
    conversation.waiters.delete(seq)
    const refusal = conversation.refused.get(seq)
    Deferred.unsafeDone(waiter, refusal === undefined ? Effect.void : Effect.fail(refusal))
  }
  return true
}

/**
 * Begins a new conversation in the place of the present one: in a new epoch with all numbers from the start, or, given up by
 * this side, in the same one with the numbers going on.
 *
 * @internal
 */
export const beginConversation = (core: Core, { buried, conversation, epoch, why }: Ending): void => {
  const ended = core.conversation
  if (epoch === undefined) {
    core.window = SendWindow.abandon(SendWindow.append(core.window, buried))
  } else {
    core.epoch = epoch
    core.window = SendWindow.make(firstRecord(core.peerId))
    core.received = 0
    core.receivedFrom = undefined
    core.removed = 0
    core.refusals = []
    core.channel = undefined
  }
  core.outbox = Outbox.make(core.window.next)
  core.pendingBytes = 0
  core.miscounted = false
  core.deadlines = Expiry.empty
  core.expired.clear()
  Reserve.settle(core.reserve, Infinity)
  forgetFlight(core)
  core.conversation = conversation
  endConversation(ended, why)
}

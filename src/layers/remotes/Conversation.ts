import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { DeliveryExpiredError, DeliveryRejectedError, OutcomeUnknownError } from "../../errors/RemoteError.ts"
import type { ResourceLimitError } from "../../errors/TransportError.ts"
import { SparseMap } from "../../internal/sparseMap.ts"

/**
 * What a waiter for an acknowledgement can be told instead of it.
 *
 * @internal
 */
export type Unacknowledged = Refused | DeliveryExpiredError | OutcomeUnknownError | NetworkStoppedError

/**
 * That the peer refused a message, or announced that it takes none so large.
 *
 * @internal
 */
export type Refused = DeliveryRejectedError | ResourceLimitError

/**
 * Somebody who waits for what becomes of a message.
 *
 * @internal
 */
export type Waiter = Deferred.Deferred<void, Unacknowledged>

/**
 * Who waits for what becomes of messages, in one uninterrupted conversation. It outlives the conversation in the hands of
 * those who hold its receipts.
 *
 * @internal
 */
export interface Conversation {
  readonly waiters: SparseMap<number, Waiter>
  /** Refusals, by the number of what was refused; the newest of them only. */
  readonly refused: SparseMap<number, Refused>
  /** The highest number that was refused; a peer refuses in order, and each message once. */
  refusedThrough: number
  settled: number
  ended: OutcomeUnknownError | NetworkStoppedError | undefined
}

/**
 * @internal
 */
export const makeConversation = (settled: number): Conversation => ({
  waiters: new SparseMap(),
  refused: new SparseMap(),
  refusedThrough: 0,
  settled,
  ended: undefined
})

/**
 * Ends a conversation: whoever still waits is told why.
 *
 * @internal
 */
export const endConversation = (conversation: Conversation, why: OutcomeUnknownError | NetworkStoppedError): void => {
  conversation.ended = why
  for (const waiter of conversation.waiters.values()) Deferred.unsafeDone(waiter, Effect.fail(why))
  conversation.waiters.clear()
}

/** How many refusals are remembered for those who ask for a message's fate later than it was known. */
const maxRefused = 1024

/**
 * Remembers that the peer refused a message.
 *
 * @internal
 */
export const noteRefusal = (conversation: Conversation, error: DeliveryRejectedError): void => {
  remember(conversation, error.seq, error)
  conversation.refusedThrough = Math.max(conversation.refusedThrough, error.seq)
}

const remember = ({ refused }: Conversation, seq: number, error: Refused): void => {
  refused.set(seq, error)
  const [oldest] = refused.keys()
  if (refused.size > maxRefused && oldest !== undefined) refused.delete(oldest)
}

/**
 * Tells who waits for a message, now or later, that it is larger than the peer takes.
 *
 * @internal
 */
export const noteTooLarge = (conversation: Conversation, seq: number, error: ResourceLimitError): void => {
  remember(conversation, seq, error)
  endWaiting(conversation, seq, error)
}

/**
 * Tells who waits for a message why it ended.
 *
 * @internal
 */
export const endWaiting = ({ waiters }: Conversation, seq: number, error: Unacknowledged): void => {
  const waiter = waiters.get(seq)
  waiters.delete(seq)
  if (waiter !== undefined) Deferred.unsafeDone(waiter, Effect.fail(error))
}

/**
 * Waits for what becomes of a message of this conversation.
 *
 * @internal
 */
export const acknowledged = (conversation: Conversation, seq: number): Effect.Effect<void, Unacknowledged> =>
  Effect.suspend(() => {
    const refusal = conversation.refused.get(seq)
    if (refusal !== undefined) return Effect.fail(refusal)
    if (seq <= conversation.settled) return Effect.void
    if (conversation.ended !== undefined) return Effect.fail(conversation.ended)
    const waiting = conversation.waiters.get(seq)
    if (waiting !== undefined) return Deferred.await(waiting)
    return Effect.flatMap(Deferred.make<void, Unacknowledged>(), (waiter) => {
      conversation.waiters.set(seq, waiter)
      return Deferred.await(waiter)
    })
  })

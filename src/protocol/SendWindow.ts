/**
 * The sender's side of a conversation: which numbers are given out, on their way, acknowledged, settled.
 *
 * A number is *acknowledged* when the peer said that it has it, and *settled* when nothing more will be heard of it: the
 * refusal of a message travels as a message of the peer's own, so what a handshake acknowledges is settled only after
 * everything that the peer had said until then has arrived.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Statement } from "./Session.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface SendWindow {
  /** The number that the next message gets. */
  readonly next: number
  /** The highest number that may have been transmitted, by this process or one before it. */
  readonly sent: number
  /** The lowest number that is not abandoned; what is below was settled or given up. */
  readonly base: number
  /** The highest number that the peer is known to have. */
  readonly acknowledged: number
  /** The highest number of which nothing more will be heard. */
  readonly settled: number
  /** The number that is transmitted next on the open channel. */
  readonly cursor: number
  /** Nothing is settled before this number has been received from the peer. */
  readonly settleAfter: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (record: {
  readonly nextSeq: number
  readonly sentSeq: number
  readonly baseSeq: number
  readonly acknowledgedSeq: number
}): SendWindow => ({
  next: record.nextSeq,
  sent: record.sentSeq,
  base: record.baseSeq,
  acknowledged: record.acknowledgedSeq,
  settled: record.acknowledgedSeq,
  cursor: record.nextSeq,
  settleAfter: 0
})

/**
 * The lowest number that the peer may still lack and will get.
 *
 * @since 0.1.0
 * @category getters
 */
export const lowestUnacknowledged = (window: SendWindow): number => Math.max(window.base, window.acknowledged + 1)

/**
 * The lowest number that is not settled yet; `next` if all are.
 *
 * @since 0.1.0
 * @category getters
 */
export const lowestPending = (window: SendWindow): number => Math.max(window.base, window.settled + 1)

/**
 * How many messages are not settled yet.
 *
 * @since 0.1.0
 * @category getters
 */
export const pending = (window: SendWindow): number => window.next - lowestPending(window)

/**
 * How many messages the peer is not known to have; those that it has may still have to be settled.
 *
 * @since 0.1.0
 * @category getters
 */
export const unacknowledged = (window: SendWindow): number => window.next - lowestUnacknowledged(window)

/**
 * Nothing more is settled before everything up to `arrived` has been received: there are refusals in it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const awaitVerdicts = (window: SendWindow, arrived: number): SendWindow => ({
  ...window,
  settleAfter: Math.max(window.settleAfter, arrived)
})

/**
 * How many messages are on their way on the open channel.
 *
 * @since 0.1.0
 * @category getters
 */
export const inFlight = (window: SendWindow): number => Math.max(0, window.cursor - lowestUnacknowledged(window))

/**
 * How many messages wait to be transmitted on the open channel.
 *
 * @since 0.1.0
 * @category getters
 */
export const untransmitted = (window: SendWindow): number => window.next - window.cursor

/**
 * Gives out `count` numbers.
 *
 * @since 0.1.0
 * @category combinators
 */
export const append = (window: SendWindow, count: number): SendWindow => ({ ...window, next: window.next + count })

/**
 * A channel opened: transmission goes on with what the peer lacks. `stated` is undefined for a peer of the base profile, which
 * gets everything that it has not acknowledged.
 *
 * What the peer states counts for more than what it acknowledged before, unless that is settled: it may have lost a part of
 * that with its store, and what is not settled can still be sent again. What it gave up is not waited for.
 *
 * @since 0.1.0
 * @category combinators
 */
export const open = (window: SendWindow, stated: Statement | undefined): SendWindow => {
  const acknowledged = stated === undefined ? window.acknowledged : Math.max(window.settled, stated.received)
  return {
    ...window,
    acknowledged,
    settleAfter: stated === undefined || stated.base === stated.next ? 0 : stated.next - 1,
    cursor: Math.max(window.base, acknowledged + 1)
  }
}

/**
 * Everything up to `through` is transmitted.
 *
 * @since 0.1.0
 * @category combinators
 */
export const transmit = (window: SendWindow, through: number): SendWindow => ({
  ...window,
  cursor: through + 1,
  sent: Math.max(window.sent, through)
})

/**
 * Everything not acknowledged is to be transmitted again.
 *
 * @since 0.1.0
 * @category combinators
 */
export const rewind = (window: SendWindow): SendWindow => ({ ...window, cursor: lowestUnacknowledged(window) })

/**
 * The peer acknowledged everything up to `ack`. One that is behind changes nothing; one that is ahead of what was sent is a
 * violation.
 *
 * @since 0.1.0
 * @category combinators
 */
export const acknowledge = (window: SendWindow, ack: number): Either.Either<SendWindow, string> => {
  if (ack > window.sent) return Either.left(`an ACK of ${ack}, which was never sent`)
  return Either.right(
    ack <= window.acknowledged ? window : { ...window, acknowledged: ack, cursor: Math.max(window.cursor, ack + 1) }
  )
}

/**
 * Settles what is acknowledged, if everything that the peer has said about it has arrived: `received` is the highest number
 * received from the peer. Nothing above `through` is settled: its refusal may be on record.
 *
 * @since 0.1.0
 * @category combinators
 */
export const settle = (window: SendWindow, received: number, through: number = Infinity): SendWindow => {
  const settled = Math.min(window.acknowledged, through)
  return received < window.settleAfter || settled <= window.settled ? window : { ...window, settled }
}

/**
 * Gives up everything pending: it is not sent (again), and its numbers are not used again.
 *
 * @since 0.1.0
 * @category combinators
 */
export const abandon = (window: SendWindow): SendWindow => ({ ...window, base: window.next, cursor: window.next })

/**
 * The receiver's side of a conversation: only the next number is taken, and an ACK never covers what is not committed.
 *
 * @since 0.1.0
 */

/**
 * What to do with a number: take it, drop it and acknowledge again what is there, or wait for what is missing before it.
 *
 * @since 0.1.0
 * @category models
 */
export type Place = "next" | "duplicate" | "early"

/**
 * @since 0.1.0
 * @category combinators
 */
export const place = (received: number, seq: number): Place =>
  seq <= received ? "duplicate" : seq === received + 1 ? "next" : "early"

/**
 * A refusal of this side's: message `reply` tells the peer that its message `target` was refused.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly reply: number
  readonly target: number
}

/**
 * The highest number that may be acknowledged on a channel on which everything below `cursor` has been transmitted: an ACK never
 * overtakes the refusal of what it covers, so that a sender that sees an ACK without a refusal knows that there is none.
 * `refusals` are in order.
 *
 * @since 0.1.0
 * @category combinators
 */
export const acknowledgeable = (received: number, refusals: ReadonlyArray<Refusal>, cursor: number): number => {
  for (const { reply, target } of refusals) {
    if (reply >= cursor) return Math.min(received, target - 1)
  }
  return received
}

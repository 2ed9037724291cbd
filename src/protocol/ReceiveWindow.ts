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
 * The place of number `seq` after everything up to `received`. `base` is the lowest number that the sender still sends: what
 * it gave up below is passed by the first message that comes after it, and not before, because only what is sent is on the
 * sender's record as sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const place = (received: number, seq: number, base = 1): Place =>
  seq <= received ? "duplicate" : seq === Math.max(received + 1, base) ? "next" : "early"

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

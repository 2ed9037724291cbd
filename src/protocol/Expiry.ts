/**
 * Which messages of a conversation may end by a deadline: those that were never transmitted, so that it is known that the peer does
 * not have them.
 *
 * @since 0.1.0
 */

/**
 * Message `seq` ends if it has not been transmitted at `expiresAt` (ms since the Unix epoch).
 *
 * @since 0.1.0
 * @category models
 */
export interface Deadline {
  readonly seq: number
  readonly expiresAt: number
}

/**
 * Deadlines, the earliest first. Some may be of messages that were transmitted since; they are never due, and there are never more
 * of them than of others, give or take a few.
 *
 * @since 0.1.0
 * @category models
 */
export type Expiry = ReadonlyArray<Deadline>

/**
 * No message has a deadline.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Expiry = []

/** How many may be left over before it is looked which they are. */
const slack = 64

const byTime = (one: Deadline, other: Deadline): number => one.expiresAt - other.expiresAt

/**
 * Messages with these deadlines were accepted. `sent` is the highest number that may have been transmitted, `next` the number that
 * the next message gets.
 *
 * @since 0.1.0
 * @category combinators
 */
export const add = (
  expiry: Expiry,
  deadlines: ReadonlyArray<Deadline>,
  { next, sent }: { readonly sent: number; readonly next: number }
): Expiry => {
  if (deadlines.length === 0) return expiry
  const all = [...expiry, ...deadlines]
  const kept = all.length > slack + 2 * (next - 1 - sent) ? all.filter(({ seq }) => seq > sent) : all
  return kept.sort(byTime)
}

/**
 * Leaves out what was transmitted or has ended before the earliest deadline that still counts.
 *
 * @since 0.1.0
 * @category combinators
 */
export const trim = (expiry: Expiry, sent: number): Expiry => {
  const first = expiry.findIndex(({ seq }) => seq > sent)
  return first === -1 ? empty : first === 0 ? expiry : expiry.slice(first)
}

/**
 * What was due above `sent` at that time has ended.
 *
 * @since 0.1.0
 * @category combinators
 */
export const end = (expiry: Expiry, sent: number, at: number): Expiry =>
  expiry.filter(({ expiresAt, seq }) => seq > sent && expiresAt > at)

/**
 * When the next message ends; undefined if none will. Costs nothing on one that was trimmed.
 *
 * @since 0.1.0
 * @category getters
 */
export const nextAt = (expiry: Expiry, sent: number): number | undefined =>
  expiry.find(({ seq }) => seq > sent)?.expiresAt

/**
 * Whether a message that was never transmitted has to end now, so that nothing new may be transmitted before it has.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isDue = (expiry: Expiry, sent: number, now: number): boolean => (nextAt(expiry, sent) ?? Infinity) <= now

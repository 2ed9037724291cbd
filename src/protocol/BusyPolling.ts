/**
 * When it pays to look for an answer again and again instead of sleeping until it comes (busy polling).
 *
 * Who sleeps has to be woken, and on one machine or within a room that takes as long as the message itself. Who does not sleep keeps
 * a processor from others, perhaps from the very one who is to answer. So it is done, as hypervisors do it before they let a
 * processor halt, where answers have been quick lately, and not for long; and ever more seldom where it is in vain. A peer that speaks
 * all the time can so keep a processor busy that would be idle, and takes nothing from what else the process has to do.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export interface BusyPolling {
  /** One more for each quick answer, up to `needed`; four fewer for each that was not. */
  readonly quick: number
  /** From how many on it pays. */
  readonly needed: number
}

/**
 * Up to when an answer is quick, and for how long it pays to look for one, in milliseconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const longest = 1

/**
 * What is larger than this, in bytes, is no question and no answer but part of much, whose reader is awake anyway.
 *
 * @since 0.1.0
 * @category constants
 */
export const largest = 4096

/** After so many quick answers it is tried. */
const fewest = 4

/** However often it was in vain, it is tried again after so many: at `longest` in vain, some 4 µs a message. */
const most = 256

/** How many quick answers a late one outweighs. */
const late = 4

/**
 * Before anything was heard.
 *
 * @since 0.1.0
 * @category constructors
 */
export const initial: BusyPolling = { quick: 0, needed: fewest }

/**
 * Whether to look for the next answer instead of sleeping.
 *
 * @since 0.1.0
 * @category predicates
 */
export const pays = ({ needed, quick }: BusyPolling): boolean => quick >= needed

const withQuick = (polling: BusyPolling, quick: number): BusyPolling =>
  quick === polling.quick ? polling : { ...polling, quick }

/**
 * An answer came so many milliseconds after the question, and was not looked for by then.
 *
 * @since 0.1.0
 * @category combinators
 */
export const answered = (polling: BusyPolling, after: number): BusyPolling =>
  withQuick(polling, after <= longest ? Math.min(polling.needed, polling.quick + 1) : Math.max(0, polling.quick - late))

/**
 * An answer came while it was looked for.
 *
 * @since 0.1.0
 * @category combinators
 */
export const found = (polling: BusyPolling): BusyPolling =>
  polling.needed === fewest && polling.quick === fewest ? polling : { quick: fewest, needed: fewest }

/**
 * It was looked for as long as it pays, and none came.
 *
 * @since 0.1.0
 * @category combinators
 */
export const missed = ({ needed }: BusyPolling): BusyPolling => ({ quick: 0, needed: Math.min(2 * needed, most) })

/**
 * Much was sent or came.
 *
 * @since 0.1.0
 * @category combinators
 */
export const streamed = (polling: BusyPolling): BusyPolling => withQuick(polling, 0)

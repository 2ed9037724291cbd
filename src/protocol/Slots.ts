/**
 * How many peers may have a channel, or the making of one, at the same time.
 *
 * A peer has one place, however many channels it has: one that takes over from another needs no place of its own.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export interface Slots {
  readonly max: number
  /** How many peers have a place. */
  readonly used: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (max: number): Slots => ({ max, used: 0 })

/**
 * Takes a place for another channel of a peer that has `held` already; undefined when there is none.
 *
 * @since 0.1.0
 * @category combinators
 */
export const take = (slots: Slots, held: number): Slots | undefined => {
  if (held > 0) return slots
  return slots.used < slots.max ? { ...slots, used: slots.used + 1 } : undefined
}

/**
 * Gives back one of the `held` channels of a peer, at least one; its place is free with the last.
 *
 * @since 0.1.0
 * @category combinators
 */
export const release = (slots: Slots, held: number): Slots => (held > 1 ? slots : { ...slots, used: slots.used - 1 })

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
  /** How many of these are strangers. */
  readonly strangers: number
}

/**
 * How many of `max` places strangers may have together: the others are kept for peers that this kernel knows, so that no
 * crowd keeps these out.
 *
 * @since 0.1.0
 * @category getters
 */
export const forStrangers = (max: number): number => max - Math.floor(max / 4)

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (max: number): Slots => ({ max, used: 0, strangers: 0 })

/**
 * Takes a place for another channel of a peer that has `held` already; undefined when there is none.
 *
 * @since 0.1.0
 * @category combinators
 */
export const take = (slots: Slots, held: number, isStranger = false): Slots | undefined => {
  if (held > 0) return slots
  const { max, strangers, used } = slots
  if (used >= max || (isStranger && strangers >= forStrangers(max))) return undefined
  return { max, used: used + 1, strangers: strangers + (isStranger ? 1 : 0) }
}

/**
 * Gives back one of the `held` channels of a peer, at least one; its place is free with the last. Who took
 * it as a stranger gives it back as one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const release = (slots: Slots, held: number, wasStranger = false): Slots =>
  held > 1 ? slots : { ...slots, used: slots.used - 1, strangers: slots.strangers - (wasStranger ? 1 : 0) }

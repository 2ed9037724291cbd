/**
 * Tells that this computer slept: much more time has passed between two looks at the clock than was slept between them.
 *
 * @since 0.1.0
 */

/**
 * How long to wait from one look to the next, in milliseconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const interval = 15_000

/** How much later than planned a look is by mere load. */
const threshold = 30_000

/**
 * Whether the computer slept between two looks that were one interval apart.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isWake = (before: number, now: number): boolean => now - before > interval + threshold

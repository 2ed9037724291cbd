/**
 * A limit on how often something may happen: a bucket that leaks.
 *
 * It holds what happened and leaks at the rate of the limit; what fits in may happen now. So at most `max` happen at once, at
 * most `max` in a window in the long run, and never more than twice that in any one window. A window that slides exactly
 * would have to remember every event; worse, after a burst it lets nothing through for most of a window, where this one
 * spreads what waits evenly.
 *
 * @since 0.1.0
 */

/**
 * At most `max` in `window` milliseconds; `max` may be infinite.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rate {
  readonly max: number
  readonly window: number
}

/**
 * How full the bucket was at a moment, in milliseconds of a monotonic clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly level: number
  readonly at: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const perSecond = (max: number): Rate => ({ max, window: 1000 })

/**
 * @since 0.1.0
 * @category constructors
 */
export const perMinute = (max: number): Rate => ({ max, window: 60_000 })

/**
 * Nothing has happened yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: State = { level: 0, at: 0 }

/** What is left of the level by now; a whisker is taken off, so that sums of fractions do not add up to a wait. */
const level = ({ max, window }: Rate, state: State, now: number): number =>
  max === Infinity ? 0 : Math.max(0, state.level - (Math.max(0, now - state.at) * max) / window - 1e-9)

/**
 * How many may happen now.
 *
 * @since 0.1.0
 * @category getters
 */
export const allowance = (rate: Rate, state: State, now: number): number =>
  rate.max === Infinity ? Infinity : Math.max(0, Math.floor(rate.max - level(rate, state, now) + 1e-6))

/**
 * How many milliseconds there are until one more may happen; 0 if it may now. Whole milliseconds, because timers are.
 *
 * @since 0.1.0
 * @category getters
 */
export const wait = (rate: Rate, state: State, now: number): number => {
  const over = level(rate, state, now) + 1 - rate.max
  return over <= 1e-6 ? 0 : Math.ceil((over * rate.window) / rate.max)
}

/**
 * Counts `count` that happen now, whether or not they may: what is too much makes the next ones wait for longer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const charge = (rate: Rate, state: State, now: number, count = 1): State =>
  rate.max === Infinity ? state : { level: level(rate, state, now) + count, at: Math.max(now, state.at) }

/**
 * Takes one back that was counted and then did not happen.
 *
 * @since 0.1.0
 * @category combinators
 */
export const refund = (state: State): State => ({ ...state, level: Math.max(0, state.level - 1) })

/**
 * Whether everything has leaked out, so that the state need not be kept.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEmpty = (rate: Rate, state: State, now: number): boolean => level(rate, state, now) === 0

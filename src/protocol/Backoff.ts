/**
 * How long to wait before trying again.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export interface Backoff {
  /** The first wait, in milliseconds, before jitter; at least 1. */
  readonly base: number
  /** The longest wait, in milliseconds, before jitter; at least `base`. */
  readonly cap: number
}

/**
 * The longest wait before try number `failures` + 1: it doubles from `base` and stays at `cap`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const ceiling = ({ base, cap }: Backoff, failures: number): number =>
  failures < 1 ? 0 : Math.min(cap, base * 2 ** Math.min(failures - 1, 52))

/**
 * The wait before try number `failures` + 1, in whole milliseconds: anything from 0 to below the ceiling, so that many who
 * failed together do not come back together ("full jitter"). `random` is from 0 to below 1.
 *
 * @since 0.1.0
 * @category combinators
 */
export const delay = (backoff: Backoff, failures: number, random: number): number =>
  Math.floor(ceiling(backoff, failures) * random)

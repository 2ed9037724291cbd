/**
 * How long a peer takes to answer, estimated as in RFC 6298. Times are in milliseconds.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export interface RoundTrip {
  /** The smoothed round trip; undefined while nothing was measured. */
  readonly smoothed: number | undefined
  /** How much it varies. */
  readonly variation: number
}

/** How long an answer may take while nothing was measured. */
const first = 1000

/** What a clock can tell apart. */
const granularity = 1

/**
 * @since 0.1.0
 * @category constructors
 */
export const unmeasured: RoundTrip = { smoothed: undefined, variation: 0 }

/**
 * Takes a measurement into account.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ smoothed, variation }: RoundTrip, sample: number): RoundTrip =>
  smoothed === undefined
    ? { smoothed: sample, variation: sample / 2 }
    : { smoothed: (7 * smoothed + sample) / 8, variation: (3 * variation + Math.abs(smoothed - sample)) / 4 }

/**
 * How long to wait for an answer before its absence means something; from `least` to `most`.
 *
 * @since 0.1.0
 * @category getters
 */
export const timeout = ({ smoothed, variation }: RoundTrip, least: number, most: number): number =>
  Math.min(most, Math.max(least, smoothed === undefined ? first : smoothed + Math.max(granularity, 4 * variation)))

/**
 * Tells a peer that is unreachable in the same way again and again from one that has a bad moment.
 *
 * @since 0.1.0
 */

/** How many equal failures in a row make the pattern. */
const length = 5

const permanentCodes: ReadonlySet<string> = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND"])

/**
 * The codes of the last failures, oldest first, at most five.
 *
 * @since 0.1.0
 * @category models
 */
export type FailurePattern = ReadonlyArray<string>

/**
 * @since 0.1.0
 * @category constructors
 */
export const empty: FailurePattern = []

/**
 * @since 0.1.0
 * @category combinators
 */
export const add = (pattern: FailurePattern, code: string): FailurePattern => [...pattern.slice(1 - length), code]

/**
 * Whether the last five failures were the same one of those that a wait alone seldom cures.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPermanent = (pattern: FailurePattern): boolean =>
  pattern.length === length && permanentCodes.has(pattern[0] ?? "") && pattern.every((code) => code === pattern[0])

import type * as Clock from "effect/Clock"

/**
 * Milliseconds of a clock that never goes back, for limits: setting the wall clock must neither block nor free anybody.
 *
 * @internal
 */
export const monotonic = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

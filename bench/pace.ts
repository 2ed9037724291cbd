/**
 * How a kernel hands over messages in bulk.
 */

/** How many messages a turn of the kernel sends, and how many turns may be unacknowledged. */
export interface Pace {
  readonly turn: number
  readonly turns: number
}

const turnMessages = 256
const turnBytes = 1_048_576
const windowMessages = 8192
const windowBytes = 32 * 1_048_576

/** Turns of 256 messages or 1 MiB, and as many of them as stay below the library's limits on what is pending. */
export const paceOf = (size: number): Pace => {
  const turn = Math.max(1, Math.min(turnMessages, Math.floor(turnBytes / size)))
  const window = Math.max(turn, Math.min(windowMessages, Math.floor(windowBytes / size)))
  return { turn, turns: Math.max(1, Math.floor(window / turn)) }
}

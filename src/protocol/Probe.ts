/**
 * A tiny question and its answer, between two of ours: whether the path and the peer's process are alive.
 *
 * @since 0.1.0
 */

const encoder = new TextEncoder()

/**
 * The question, as a frame.
 *
 * @since 0.1.0
 * @category constants
 */
export const ask: Uint8Array = encoder.encode('{"probe":1}')

/**
 * The answer, as a frame. Said unasked, it tells the peer that this side is there although it reads nothing for a while.
 *
 * @since 0.1.0
 * @category constants
 */
export const answer: Uint8Array = encoder.encode('{"probed":1}')

const equals = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index])

/**
 * Whether a frame is a question or an answer; nothing else begins like them.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isProbe = (frame: Uint8Array): boolean =>
  frame.length <= answer.length && (equals(frame, ask) || equals(frame, answer))

/**
 * Whether an answer is among the frames.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasAnswer = (frames: ReadonlyArray<Uint8Array>): boolean => frames.some((frame) => equals(frame, answer))

/**
 * What to answer to the questions among the frames: once, however many there are.
 *
 * @since 0.1.0
 * @category combinators
 */
export const answers = (frames: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> =>
  frames.some((frame) => equals(frame, ask)) ? [answer] : []

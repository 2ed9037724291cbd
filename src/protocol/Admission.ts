/**
 * Whether to take a stream that a peer opens, before anything of it is read.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Rate from "./Rate.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Streams of one peer that have not ended. */
  readonly streams: number
  readonly handshakes: Rate.Rate
}

/**
 * What counts of one peer.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly streams: number
  readonly handshakes: Rate.State
}

/**
 * Why a stream is not taken.
 *
 * @since 0.1.0
 * @category models
 */
export interface Objection {
  readonly limit: "streams" | "handshakes"
  readonly current: number
  readonly max: number
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const empty: State = { streams: 0, handshakes: Rate.empty }

/**
 * Takes a stream. One that is not taken counts for nothing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const admit = (limits: Limits, state: State, now: number): Either.Either<State, Objection> => {
  if (state.streams >= limits.streams) {
    return Either.left({ limit: "streams", current: state.streams, max: limits.streams })
  }
  const { max } = limits.handshakes
  return Rate.wait(limits.handshakes, state.handshakes, now) > 0
    ? Either.left({ limit: "handshakes", current: max, max })
    : Either.right({ streams: state.streams + 1, handshakes: Rate.charge(limits.handshakes, state.handshakes, now) })
}

/**
 * A stream has ended.
 *
 * @since 0.1.0
 * @category combinators
 */
export const leave = (state: State): State => ({ ...state, streams: Math.max(0, state.streams - 1) })

/**
 * Whether nothing of the peer counts any more.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEmpty = (limits: Limits, state: State, now: number): boolean =>
  state.streams === 0 && Rate.isEmpty(limits.handshakes, state.handshakes, now)

/**
 * How much one side may say before the other has taken it: room for messages and bytes, granted by the one who has to hold them.
 *
 * Both sides count what is said on a channel from its opening on, and a grant tells up to which count may be said, so that it means the
 * same whenever it arrives. Room is granted for what was taken, not for what was acknowledged: an ACK waits for a verdict, and a
 * verdict waits for room.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"

/**
 * Numbers of messages and of bytes (of frames, without their length prefix).
 *
 * @since 0.1.0
 * @category models
 */
export interface Amount {
  readonly messages: number
  readonly bytes: number
}

/**
 * What one side announces in the handshake: the largest frame that it takes, and for how much it has room at first and at most.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits extends Amount {
  readonly frame: number
}

/**
 * The sender's side on one channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface Purse {
  readonly limits: Limits
  readonly granted: Amount
  readonly used: Amount
}

/**
 * The receiver's side on one channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface Grants {
  readonly limits: Limits
  readonly granted: Amount
  readonly arrived: Amount
  readonly taken: Amount
}

const none: Amount = { messages: 0, bytes: 0 }

const plus = (one: Amount, other: Amount): Amount => ({
  messages: one.messages + other.messages,
  bytes: one.bytes + other.bytes
})

const isWithin = (one: Amount, other: Amount): boolean => one.messages <= other.messages && one.bytes <= other.bytes

/**
 * What a side announces that takes frames of this size: about 4 MiB, but two of the largest frames at least, because a grant may be put
 * off until half of the room is taken.
 *
 * @since 0.1.0
 * @category constructors
 */
export const limitsFor = (frame: number): Limits => ({
  frame,
  messages: 16_384,
  bytes: Math.max(4 * 1_048_576, 2 * frame)
})

/**
 * Whether room like this lets every frame through in the end.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSensible = ({ bytes, frame, messages }: Limits): boolean =>
  frame >= 1 && messages >= 2 && bytes >= 2 * frame

/**
 * A channel opened, on which the other side announced this.
 *
 * @since 0.1.0
 * @category constructors
 */
export const openPurse = (limits: Limits): Purse => ({ limits, granted: plus(none, limits), used: none })

/**
 * A channel opened, on which this side announced this.
 *
 * @since 0.1.0
 * @category constructors
 */
export const openGrants = (limits: Limits): Grants => ({
  limits,
  granted: plus(none, limits),
  arrived: none,
  taken: none
})

/**
 * How much may be said now.
 *
 * @since 0.1.0
 * @category getters
 */
export const left = ({ granted, used }: Purse): Amount => ({
  messages: granted.messages - used.messages,
  bytes: granted.bytes - used.bytes
})

/**
 * So much is said; no more than is `left`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const spend = (purse: Purse, amount: Amount): Purse => ({ ...purse, used: plus(purse.used, amount) })

/**
 * The other side granted more. What it granted before changes nothing; more than the room that it announced is a violation.
 *
 * @since 0.1.0
 * @category combinators
 */
export const grant = (purse: Purse, to: Amount): Either.Either<Purse, string> => {
  if (!isWithin(to, plus(purse.used, purse.limits))) return Either.left("a grant of more room than there is")
  const granted = {
    messages: Math.max(purse.granted.messages, to.messages),
    bytes: Math.max(purse.granted.bytes, to.bytes)
  }
  return Either.right({ ...purse, granted })
}

/**
 * So much arrived; beyond what was granted it is a violation.
 *
 * @since 0.1.0
 * @category combinators
 */
export const arrive = (grants: Grants, amount: Amount): Either.Either<Grants, string> => {
  const arrived = plus(grants.arrived, amount)
  return isWithin(arrived, grants.granted)
    ? Either.right({ ...grants, arrived })
    : Either.left("more messages than there is room for")
}

/**
 * Of what arrived, everything was taken: its room is free.
 *
 * @since 0.1.0
 * @category combinators
 */
export const take = (grants: Grants): Grants => ({ ...grants, taken: grants.arrived })

/**
 * Up to where to grant room now; undefined while the other side has half of the room left, so that a grant goes for many messages.
 *
 * @since 0.1.0
 * @category getters
 */
export const due = ({ granted, limits, taken }: Grants): Amount | undefined => {
  const to = plus(taken, limits)
  const isHalf =
    2 * (to.messages - granted.messages) >= limits.messages || 2 * (to.bytes - granted.bytes) >= limits.bytes
  return isHalf ? to : undefined
}

/**
 * The other side is told so.
 *
 * @since 0.1.0
 * @category combinators
 */
export const issue = (grants: Grants, to: Amount): Grants => ({ ...grants, granted: to })

/**
 * How a message, or a question to a peer, can end other than well.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { excerpt, span } from "./excerpt.ts"

const peer = { peerId: Schema.String }

/**
 * The peer's kernel consumed the message and refused it, or its handler failed on it. Those behind it went on.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeliveryRejectedError extends Schema.TaggedError<DeliveryRejectedError>()("DeliveryRejectedError", {
  ...peer,
  seq: Schema.Number,
  code: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${excerpt(this.peerId)} refused message ${this.seq} (${excerpt(this.code)}): ${excerpt(this.reason)}`
  }
}

/**
 * The message was not transmitted before its deadline (`expiresIn`), and never will be: the peer's kernel has not seen it. It is kept as a
 * dead letter.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeliveryExpiredError extends Schema.TaggedError<DeliveryExpiredError>()("DeliveryExpiredError", {
  ...peer,
  seq: Schema.Number
}) {
  override get message() {
    return `message ${this.seq} to ${excerpt(this.peerId)} was not sent before its deadline`
  }
}

/**
 * This side gave the peer up; what was pending was kept as dead letters, and its outcome is unknown.
 *
 * @since 0.1.0
 * @category errors
 */
export class GivenUpError extends Schema.TaggedError<GivenUpError>()("GivenUpError", {
  ...peer,
  reason: Schema.String
}) {
  override get message() {
    return `${excerpt(this.peerId)} was given up: ${excerpt(this.reason)}`
  }
}

/**
 * The peer came back without its memory (another incarnation). What was pending for its old life was kept as dead
 * letters, and its outcome is unknown.
 *
 * @since 0.1.0
 * @category errors
 */
export class PeerRestartedError extends Schema.TaggedError<PeerRestartedError>()("PeerRestartedError", {
  ...peer,
  incarnationId: Schema.String
}) {
  override get message() {
    return `${excerpt(this.peerId)} lost its memory and came back as incarnation ${excerpt(this.incarnationId)}`
  }
}

/**
 * One of the two stores went back in time, so a new session began. What was pending was kept as dead letters, and its
 * outcome is unknown.
 *
 * @since 0.1.0
 * @category errors
 */
export class SessionResetError extends Schema.TaggedError<SessionResetError>()("SessionResetError", {
  ...peer,
  epoch: Schema.Number
}) {
  override get message() {
    return `the store of one side went back in time; session ${this.epoch} with ${excerpt(this.peerId)} began`
  }
}

/**
 * The peer did not answer a redemption within the deadline (default 40 s: four times the ACK timeout).
 *
 * @since 0.1.0
 * @category errors
 */
export class RedemptionTimeoutError extends Schema.TaggedError<RedemptionTimeoutError>()("RedemptionTimeoutError", {
  ...peer,
  timeout: Schema.DurationFromSelf
}) {
  override get message() {
    return `${excerpt(this.peerId)} did not answer the redemption within ${span(this.timeout)}`
  }
}

/**
 * The peer, or this kernel for its own URLs, refused to redeem the OCAP URL.
 *
 * @since 0.1.0
 * @category errors
 */
export class RedemptionRefusedError extends Schema.TaggedError<RedemptionRefusedError>()("RedemptionRefusedError", {
  ...peer,
  reason: Schema.String
}) {
  override get message() {
    return `${excerpt(this.peerId)} refused to redeem the OCAP URL: ${excerpt(this.reason)}`
  }
}

/**
 * The remote cannot be removed, because something is pending for it: wait for the peer, or give it up before.
 *
 * @since 0.1.0
 * @category errors
 */
export class RemotePendingError extends Schema.TaggedError<RemotePendingError>()("RemotePendingError", {
  ...peer,
  messages: Schema.Number,
  redemptions: Schema.Number
}) {
  override get message() {
    return `${this.messages} messages and ${this.redemptions} redemptions are pending for ${excerpt(this.peerId)}`
  }
}

/**
 * What ended a message whose fate this side does not know.
 *
 * @since 0.1.0
 * @category errors
 */
export type OutcomeUnknownError = GivenUpError | PeerRestartedError | SessionResetError

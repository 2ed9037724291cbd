/**
 * What a link to a peer can fail with, once a channel is there or is being made ready.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { excerpt, span } from "./excerpt.ts"

const peer = { peerId: Schema.String }

/**
 * The peer did not finish its handshake within the deadline (default 10 s).
 *
 * @since 0.1.0
 * @category errors
 */
export class HandshakeTimeoutError extends Schema.TaggedError<HandshakeTimeoutError>()("HandshakeTimeoutError", {
  ...peer,
  timeout: Schema.DurationFromSelf
}) {
  override get message() {
    return `${excerpt(this.peerId)} did not finish its handshake within ${span(this.timeout)}`
  }
}

/**
 * The handshake ended without a channel: the peer hung up, said something else, or was out of date.
 *
 * @since 0.1.0
 * @category errors
 */
export class HandshakeError extends Schema.TaggedError<HandshakeError>()("HandshakeError", {
  ...peer,
  reason: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message() {
    return `no handshake with ${excerpt(this.peerId)}: ${excerpt(this.reason)}`
  }
}

/**
 * Nothing moved on the stream, in either direction, for the whole inactivity limit (default 120 s).
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamInactivityTimeoutError extends Schema.TaggedError<StreamInactivityTimeoutError>()(
  "StreamInactivityTimeoutError",
  {
    ...peer,
    timeout: Schema.DurationFromSelf
  }
) {
  override get message() {
    return `nothing was heard from or written to ${excerpt(this.peerId)} for ${span(this.timeout)}`
  }
}

/**
 * The peer, one of the base profile, acknowledged nothing of what is on its way although its channel is open and everything was
 * sent again three times, each after a deadline (default 10 s).
 *
 * @since 0.1.0
 * @category errors
 */
export class AckTimeoutError extends Schema.TaggedError<AckTimeoutError>()("AckTimeoutError", {
  ...peer,
  timeout: Schema.DurationFromSelf,
  lowestUnacknowledged: Schema.Number
}) {
  override get message() {
    return `${excerpt(this.peerId)} did not acknowledge message ${this.lowestUnacknowledged} within ${span(this.timeout)}`
  }
}

/**
 * The peer owed an answer and was silent for several times the measured round trip, although it was asked repeatedly whether
 * it is there (about 2 s on a local network).
 *
 * @since 0.1.0
 * @category errors
 */
export class ProbeTimeoutError extends Schema.TaggedError<ProbeTimeoutError>()("ProbeTimeoutError", {
  ...peer,
  silence: Schema.DurationFromSelf
}) {
  override get message() {
    return `${excerpt(this.peerId)} did not say whether it is there; it has been silent for ${span(this.silence)}`
  }
}

/**
 * The connection to the peer was closed on purpose, by this side; `reconnectPeer` opens it again.
 *
 * @since 0.1.0
 * @category errors
 */
export class IntentionalCloseError extends Schema.TaggedError<IntentionalCloseError>()("IntentionalCloseError", peer) {
  override get message() {
    return `the connection to ${excerpt(this.peerId)} was closed on purpose`
  }
}

/**
 * A limit of this kernel was reached; `limit` names the option (`redemptions`: 1,000 for each peer), `current` and `max` are in its unit.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResourceLimitError extends Schema.TaggedError<ResourceLimitError>()("ResourceLimitError", {
  limit: Schema.Literal(
    "messageSize",
    "pendingMessages",
    "pendingBytes",
    "connections",
    "connectionAttempts",
    "handshakes",
    "incarnationChanges",
    "streams",
    "remotes",
    "redemptions",
    "issuedOcapUrls"
  ),
  current: Schema.Number,
  max: Schema.Number
}) {
  override get message() {
    return `the limit ${this.limit} was reached: ${this.current} of at most ${this.max}`
  }
}

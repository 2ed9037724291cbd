/**
 * What a dial and a stream can fail with. Translated from libp2p's errors once, by name, at the edge.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { excerpt, span } from "./excerpt.ts"

const peer = { peerId: Schema.String }
const cause = { cause: Schema.optional(Schema.Defect) }

/**
 * None of the peer's addresses answered. `code` is the network's own word for the last failure (`ECONNREFUSED`, …) or
 * the name of libp2p's error.
 *
 * @since 0.1.0
 * @category errors
 */
export class DialFailedError extends Schema.TaggedError<DialFailedError>()("DialFailedError", {
  ...peer,
  ...cause,
  address: Schema.String,
  code: Schema.String
}) {
  override get message() {
    return `could not reach ${excerpt(this.peerId)} at ${excerpt(this.address)}: ${excerpt(this.code)}`
  }
}

/**
 * A dial was not answered within its deadline (default 10 s an address).
 *
 * @since 0.1.0
 * @category errors
 */
export class DialTimeoutError extends Schema.TaggedError<DialTimeoutError>()("DialTimeoutError", {
  ...peer,
  address: Schema.String,
  timeout: Schema.DurationFromSelf
}) {
  override get message() {
    return `${excerpt(this.peerId)} did not answer at ${excerpt(this.address)} within ${span(this.timeout)}`
  }
}

/**
 * No address is known for the peer: neither a hint, nor a relay, nor a former contact.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoAddressError extends Schema.TaggedError<NoAddressError>()("NoAddressError", {
  ...peer
}) {
  override get message() {
    return `no address is known for ${excerpt(this.peerId)}`
  }
}

/**
 * This side has as many outbound streams to the peer as it may have. Another address would not help, so the dial ends
 * with it at once.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyOutboundProtocolStreamsError extends Schema.TaggedError<TooManyOutboundProtocolStreamsError>()(
  "TooManyOutboundProtocolStreamsError",
  {
    ...peer,
    ...cause
  }
) {
  override get message() {
    return `too many outbound streams to ${excerpt(this.peerId)}`
  }
}

/**
 * The connection's multiplexer was closed under the dial; another address or a later dial may work.
 *
 * @since 0.1.0
 * @category errors
 */
export class MuxerClosedError extends Schema.TaggedError<MuxerClosedError>()("MuxerClosedError", {
  ...peer,
  ...cause
}) {
  override get message() {
    return `the connection to ${excerpt(this.peerId)} was closing`
  }
}

/**
 * This side is shutting down, or has; nothing is dialed or written any more.
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkStoppedError extends Schema.TaggedError<NetworkStoppedError>()("NetworkStoppedError", {}) {
  override get message() {
    return "the network is stopped"
  }
}

/**
 * The peer reset the stream. A loss, never an intentional close: reconnection goes on.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamResetError extends Schema.TaggedError<StreamResetError>()("StreamResetError", {
  ...peer,
  ...cause
}) {
  override get message() {
    return `the stream was reset by ${excerpt(this.peerId)}`
  }
}

/**
 * The stream is closing, closed or aborted, so nothing was written. `status` is the stream's own.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamClosedError extends Schema.TaggedError<StreamClosedError>()("StreamClosedError", {
  ...peer,
  ...cause,
  status: Schema.Literal("closing", "closed", "aborted", "reset")
}) {
  override get message() {
    return `the stream to ${excerpt(this.peerId)} is ${this.status}`
  }
}

/**
 * The peer took nothing of what was written within the deadline (default 10 s).
 *
 * @since 0.1.0
 * @category errors
 */
export class WriteTimeoutError extends Schema.TaggedError<WriteTimeoutError>()("WriteTimeoutError", {
  ...peer,
  timeout: Schema.DurationFromSelf
}) {
  override get message() {
    return `a write to ${excerpt(this.peerId)} was not taken within ${span(this.timeout)}`
  }
}

/**
 * The peer broke the protocol: its framing, its handshake, its numbers. It costs the peer its channel, not our state.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProtocolViolationError extends Schema.TaggedError<ProtocolViolationError>()("ProtocolViolationError", {
  ...peer,
  reason: Schema.String
}) {
  override get message() {
    return `${excerpt(this.peerId)} broke the protocol: ${excerpt(this.reason)}`
  }
}

/**
 * An address to listen on could not be had: in use, not ours, not permitted.
 *
 * @since 0.1.0
 * @category errors
 */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  ...cause,
  address: Schema.String,
  code: Schema.String
}) {
  override get message() {
    return `cannot listen on ${excerpt(this.address)}: ${excerpt(this.code)}`
  }
}

/**
 * Everything that opening a channel to a peer can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type DialError =
  | DialFailedError
  | DialTimeoutError
  | NoAddressError
  | TooManyOutboundProtocolStreamsError
  | MuxerClosedError
  | NetworkStoppedError

/**
 * Everything that reading from or writing to an open channel can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type ChannelError = StreamResetError | StreamClosedError | ProtocolViolationError

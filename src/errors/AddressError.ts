/**
 * What can be wrong with the names by which peers are found.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { excerpt } from "./excerpt.ts"

/**
 * The text is not a libp2p peer id.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidPeerIdError extends Schema.TaggedError<InvalidPeerIdError>()("InvalidPeerIdError", {
  text: Schema.String
}) {
  override get message() {
    return `"${excerpt(this.text)}" is not a libp2p peer id`
  }
}

/**
 * The text is not a multiaddr, or names a transport that this kernel does not have.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidAddressError extends Schema.TaggedError<InvalidAddressError>()("InvalidAddressError", {
  address: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `"${excerpt(this.address)}" is not an address that can be used: ${excerpt(this.reason)}`
  }
}

/**
 * Who a peer kernel is: the libp2p peer id of its Ed25519 key, in base58 (`12D3KooW…`).
 *
 * @since 0.1.0
 */
import { peerIdFromString } from "@libp2p/peer-id"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { InvalidPeerIdError } from "../errors/AddressError.ts"

/** Reading base58 takes time that grows with the square of its length; no peer id in use is nearly as long. */
const maxLength = 128

const isCanonical = (text: string): boolean => {
  if (text.length > maxLength) return false
  try {
    return peerIdFromString(text).toString() === text
  } catch {
    return false
  }
}

/**
 * A peer id in its canonical text form; anything that libp2p would not print again in the same way is none.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PeerId = Schema.String.pipe(
  Schema.filter(isCanonical, { identifier: "PeerId", message: () => "a libp2p peer id, such as 12D3KooW…" }),
  Schema.brand("PeerId")
)

/**
 * @since 0.1.0
 * @category models
 */
export type PeerId = typeof PeerId.Type

const brand = Schema.decodeSync(Schema.String.pipe(Schema.brand("PeerId")))

/**
 * Reads a peer id, or says which text was none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromString = (text: string): Either.Either<PeerId, InvalidPeerIdError> =>
  isCanonical(text) ? Either.right(brand(text)) : Either.left(new InvalidPeerIdError({ text }))

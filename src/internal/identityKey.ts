import { generateKeyPairFromSeed } from "@libp2p/crypto/keys"
import { peerIdFromPrivateKey } from "@libp2p/peer-id"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as PeerId from "../protocol/PeerId.ts"

/**
 * How many bytes a key seed has, and a key for OCAP URLs.
 *
 * @internal
 */
export const keyLength = 32

/**
 * Reads 32 bytes in hexadecimal. Why a text is none is not told: the decoder's own error holds the text.
 *
 * @internal
 */
export const fromHex = (text: Redacted.Redacted<string>): Option.Option<Redacted.Redacted<Uint8Array<ArrayBuffer>>> =>
  Either.getRight(Encoding.decodeHex(Redacted.value(text))).pipe(
    Option.filter((bytes) => bytes.length === keyLength),
    Option.map((bytes) => Redacted.make(new Uint8Array(bytes)))
  )

/**
 * Writes bytes in lower-case hexadecimal.
 *
 * @internal
 */
export const toHex = (bytes: Redacted.Redacted<Uint8Array>): Redacted.Redacted<string> =>
  Redacted.make(Encoding.encodeHex(Redacted.value(bytes)))

/**
 * The libp2p peer id of the Ed25519 key that a 32-byte seed makes.
 *
 * @internal
 */
export const peerIdOf = (seed: Redacted.Redacted<Uint8Array>): Effect.Effect<PeerId.PeerId> =>
  Effect.promise(() => generateKeyPairFromSeed("Ed25519", Redacted.value(seed))).pipe(
    Effect.flatMap((key) => PeerId.fromString(peerIdFromPrivateKey(key).toString())),
    Effect.orDie
  )

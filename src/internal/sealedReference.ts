import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { base58btc } from "multiformats/bases/base58"
import type { Source } from "../services/Entropy.ts"

/**
 * The largest reference that is sealed, in bytes of UTF-8. Strangers make us read oids as long as that, in a time that
 * grows with the square: 3 ms for this length, 40 ms for four times as much.
 *
 * @internal
 */
export const maxReferenceLength = 1024

/**
 * How many bytes the id of a sealed reference has.
 *
 * @internal
 */
export const idLength = 16

/**
 * What is sealed with a reference.
 *
 * @internal
 */
export interface Sealed {
  readonly reference: string
  /** 16 bytes in hexadecimal. */
  readonly id: string
  /** In milliseconds since the Unix epoch; undefined if it does not expire. */
  readonly expiresAt: number | undefined
}

const nonceLength = 12
const tagLength = 16
const headLength = idLength + 8
const leastCharacters = 16
const leastLength = nonceLength + headLength + leastCharacters + tagLength
const mostLength = nonceLength + headLength + maxReferenceLength + 1 + tagLength
/** base58 has at most 1.366 characters for a byte; the prefix is one more. */
const mostCharacters = 1 + Math.ceil(mostLength * 1.366)

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * The oid was not sealed with this key and for this context. It does not say why: an answer that told would be an oracle.
 *
 * @internal
 */
export class NotSealedHere extends Data.TaggedError("NotSealedHere") {}

/**
 * Short references are padded on the left with blanks, so that their length tells nothing. One that itself begins with
 * a blank, or with the mark, gets the mark (NUL) in front, so that unpadding gives back exactly what was padded.
 */
const pad = (reference: string): string =>
  (/^[ \0]/.test(reference) ? `\0${reference}` : reference).padStart(leastCharacters)
const unpad = (padded: string): string => padded.replace(/^ +/, "").replace(/^\0/, "")

const write = ({ expiresAt, id, reference }: Sealed): Uint8Array<ArrayBuffer> => {
  if (/\p{Cs}/u.test(reference)) throw new TypeError("a reference must be well-formed Unicode")
  if (encoder.encode(reference).length > maxReferenceLength) {
    throw new RangeError(`a reference must not have more than ${maxReferenceLength} bytes`)
  }
  const text = encoder.encode(pad(reference))
  const plain = new Uint8Array(headLength + text.length)
  plain.set(Either.getOrThrow(Encoding.decodeHex(id)))
  new DataView(plain.buffer).setFloat64(idLength, expiresAt ?? Infinity)
  plain.set(text, headLength)
  return plain
}

const read = (plain: ArrayBuffer): Sealed => {
  const expiresAt = new DataView(plain).getFloat64(idLength)
  return {
    id: Encoding.encodeHex(new Uint8Array(plain, 0, idLength)),
    expiresAt: Number.isFinite(expiresAt) ? expiresAt : undefined,
    reference: unpad(decoder.decode(new Uint8Array(plain, headLength)))
  }
}

/**
 * Seals references into oids that only the holder of the key can open, and only in the same context. A reference that is
 * too long or not well-formed is a bug of the caller, and dies.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function* (
  secret: Redacted.Redacted<Uint8Array<ArrayBuffer>>,
  context: string,
  entropy: Source
) {
  const { subtle } = globalThis.crypto
  const key = yield* Effect.promise(() =>
    subtle.importKey("raw", Redacted.value(secret), "AES-GCM", false, ["encrypt", "decrypt"])
  )
  const algorithm = (iv: Uint8Array<ArrayBuffer>) => ({ name: "AES-GCM", iv, additionalData: encoder.encode(context) })

  const seal = Effect.fnUntraced(function* (sealing: Sealed) {
    const plain = yield* Effect.sync(() => write(sealing))
    const nonce = yield* entropy.bytes(nonceLength)
    const sealed = yield* Effect.promise(() => subtle.encrypt(algorithm(nonce), key, plain))
    const bytes = new Uint8Array(nonceLength + sealed.byteLength)
    bytes.set(nonce)
    bytes.set(new Uint8Array(sealed), nonceLength)
    return base58btc.encode(bytes)
  })

  const decrypt = async (oid: string): Promise<Sealed> => {
    if (oid.length > mostCharacters) throw new NotSealedHere()
    const bytes = base58btc.decode(oid)
    if (bytes.length < leastLength || bytes.length > mostLength) throw new NotSealedHere()
    const plain = await subtle.decrypt(algorithm(bytes.subarray(0, nonceLength)), key, bytes.subarray(nonceLength))
    return read(plain)
  }
  const open = (oid: string) => Effect.tryPromise({ try: () => decrypt(oid), catch: () => new NotSealedHere() })

  return { seal, open }
})

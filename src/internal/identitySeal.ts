import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { IdentitySealedError } from "../errors/IdentityError.ts"
import type { Source } from "../services/Entropy.ts"
import type { StoredIdentity, StoredSeal } from "../services/RemoteStore.ts"
import * as Key from "./identityKey.ts"

/**
 * What the secrets of a stored identity are sealed with.
 *
 * @internal
 */
export type SealSecret =
  | { readonly passphrase: Redacted.Redacted<string> }
  /** 32 bytes in hexadecimal. */
  | { readonly key: Redacted.Redacted<string> }

type Bytes = Uint8Array<ArrayBuffer>

/** How often a passphrase is hashed, so that trying many takes long; what OWASP names for PBKDF2-HMAC-SHA256. */
const rounds = 600_000
/** A damaged or hostile store must not keep a start busy for ever. */
const mostRounds = 10_000_000
const saltLength = 16
const nonceLength = 12

const encoder = new TextEncoder()
const { subtle } = globalThis.crypto

const sealed = () => new IdentitySealedError()

const fromHex = (text: string): Effect.Effect<Bytes, IdentitySealedError> =>
  Either.match(Encoding.decodeHex(text), {
    onLeft: () => Effect.fail(sealed()),
    onRight: (bytes) => Effect.succeed(new Uint8Array(bytes))
  })

const fromPassphrase = (passphrase: Redacted.Redacted<string>, salt: Bytes, iterations: number) =>
  Effect.promise(async () => {
    // The same words, typed on another keyboard, are the same passphrase.
    const words = encoder.encode(Redacted.value(passphrase).normalize("NFKC"))
    const base = await subtle.importKey("raw", words, "PBKDF2", false, ["deriveKey"])
    const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations }
    return await subtle.deriveKey(how, base, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"])
  })

const fromKey = (hex: Redacted.Redacted<string>) =>
  Effect.flatMap(Effect.mapError(Key.fromHex(hex), sealed), (bytes) =>
    Effect.promise(() => subtle.importKey("raw", Redacted.value(bytes), "AES-GCM", false, ["encrypt", "decrypt"]))
  )

const keyFor = (seal: StoredSeal, secret: SealSecret | undefined): Effect.Effect<CryptoKey, IdentitySealedError> => {
  if (secret === undefined) return Effect.fail(sealed())
  if (seal._tag === "Key") return "key" in secret ? fromKey(secret.key) : Effect.fail(sealed())
  if (!("passphrase" in secret) || !(seal.rounds >= 1 && seal.rounds <= mostRounds)) return Effect.fail(sealed())
  return Effect.flatMap(fromHex(seal.salt), (salt) => fromPassphrase(secret.passphrase, salt, seal.rounds))
}

/** Binds what is sealed to its place, so that one secret cannot be put where another belongs. */
const algorithm = (identity: StoredIdentity, what: "keySeed" | "ocapUrlKey", iv: Bytes) => ({
  name: "AES-GCM",
  iv,
  additionalData: encoder.encode(`effect-remotes/identity/1 ${what} ${identity.peerId}`)
})

const encrypt = Effect.fnUntraced(function* (
  identity: StoredIdentity,
  what: "keySeed" | "ocapUrlKey",
  key: CryptoKey,
  entropy: Source
) {
  const nonce = yield* entropy.bytes(nonceLength)
  const plain = yield* Effect.orDie(Key.fromHex(identity[what]))
  const cipher = yield* Effect.promise(() =>
    subtle.encrypt(algorithm(identity, what, nonce), key, Redacted.value(plain))
  )
  return Redacted.make(Encoding.encodeHex(nonce) + Encoding.encodeHex(new Uint8Array(cipher)))
})

const decrypt = Effect.fnUntraced(function* (identity: StoredIdentity, what: "keySeed" | "ocapUrlKey", key: CryptoKey) {
  const bytes = yield* fromHex(Redacted.value(identity[what]))
  const plain = yield* Effect.tryPromise({
    try: () => subtle.decrypt(algorithm(identity, what, bytes.slice(0, nonceLength)), key, bytes.subarray(nonceLength)),
    catch: sealed
  })
  return Key.toHex(Redacted.make(new Uint8Array(plain)))
})

/**
 * Seals the secrets of an identity whose secrets are in clear, and known to be 32 bytes each.
 *
 * @internal
 */
export const close = Effect.fnUntraced(function* (identity: StoredIdentity, secret: SealSecret, entropy: Source) {
  const seal: StoredSeal =
    "key" in secret
      ? { _tag: "Key" }
      : { _tag: "Passphrase", salt: Encoding.encodeHex(yield* entropy.bytes(saltLength)), rounds }
  const key = yield* keyFor(seal, secret)
  const keySeed = yield* encrypt(identity, "keySeed", key, entropy)
  const ocapUrlKey = yield* encrypt(identity, "ocapUrlKey", key, entropy)
  return { ...identity, keySeed, ocapUrlKey, seal } satisfies StoredIdentity
})

/**
 * The identity with its secrets in clear. Why a sealed one cannot be opened is not told, whatever the reason.
 *
 * @internal
 */
export const open = Effect.fnUntraced(function* (identity: StoredIdentity, secret: SealSecret | undefined) {
  if (identity.seal === undefined) return identity
  const key = yield* keyFor(identity.seal, secret)
  const keySeed = yield* decrypt(identity, "keySeed", key)
  const ocapUrlKey = yield* decrypt(identity, "ocapUrlKey", key)
  return { ...identity, keySeed, ocapUrlKey, seal: undefined } satisfies StoredIdentity
})

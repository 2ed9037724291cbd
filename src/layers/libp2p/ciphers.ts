/**
 * Noise's cipher on Node, for less than libp2p's own takes: a key is prepared once and not for each packet, and a packet stays in
 * the pieces that the cipher makes of it.
 *
 * @internal
 */
import { ChaCha20Poly1305, newInstance } from "@chainsafe/as-chacha20poly1305"
import { defaultCrypto } from "@chainsafe/libp2p-noise/crypto"
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto"
import { Uint8ArrayList } from "uint8arraylist"
import type { Ciphers } from "./node.ts"
import * as Packets from "./packets.ts"
import { disposeOnceWritten } from "./spent.ts"

const algorithm = "chacha20-poly1305"
const options = { authTagLength: 16 }

const sealer = new ChaCha20Poly1305(newInstance())

/** Where the pieces of a short packet are put together; nothing keeps it. */
const scratch = new Uint8Array(Packets.short)

const inOne = (bytes: Uint8Array | Uint8ArrayList): Uint8Array => {
  if (bytes instanceof Uint8Array) return bytes
  let size = 0
  for (const part of bytes) {
    scratch.set(part, size)
    size += part.length
  }
  return scratch.subarray(0, size)
}

/** A connection has two keys, for as long as it lasts. */
const prepared = new WeakMap<Uint8Array, KeyObject>()

const prepare = (key: Uint8Array): KeyObject => {
  const known = prepared.get(key)
  if (known !== undefined) return known
  const made = createSecretKey(key)
  prepared.set(key, made)
  return made
}

const partsOf = (bytes: Uint8Array | Uint8ArrayList): Iterable<Uint8Array> =>
  bytes instanceof Uint8Array ? [bytes] : bytes

const encrypt: Ciphers["chaCha20Poly1305Encrypt"] = (plaintext, nonce, ad, key) => {
  if (plaintext.byteLength < Packets.short) {
    // Of Node's pool: an ArrayBuffer of its own takes longer than the cipher.
    const bytes = Buffer.allocUnsafe(Packets.withRoom(plaintext.byteLength + options.authTagLength))
    return sealer.seal(key, nonce, inOne(plaintext), ad, Packets.afterRoom(bytes))
  }
  const cipher = createCipheriv(algorithm, prepare(key), nonce, options)
  cipher.setAAD(ad, { plaintextLength: plaintext.byteLength })
  const pieces = new Uint8ArrayList()
  for (const part of partsOf(plaintext)) pieces.append(disposeOnceWritten(cipher.update(part)))
  // What a stream cipher has left at the end is nothing; asking for it makes the tag.
  cipher.final()
  pieces.append(cipher.getAuthTag())
  return pieces
}

/** Throws where the bytes are not what the peer encrypted. */
const decrypt: Ciphers["chaCha20Poly1305Decrypt"] = (ciphertext, nonce, ad, key, target) => {
  if (ciphertext.byteLength < Packets.short)
    return defaultCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, ad, key, target)
  const end = ciphertext.byteLength - options.authTagLength
  const decipher = createDecipheriv(algorithm, prepare(key), nonce, options)
  decipher.setAAD(ad, { plaintextLength: end })
  decipher.setAuthTag(ciphertext.subarray(end))
  const pieces = new Uint8ArrayList()
  const text = ciphertext instanceof Uint8Array ? ciphertext.subarray(0, end) : ciphertext.sublist(0, end)
  for (const part of partsOf(text)) pieces.append(decipher.update(part))
  decipher.final()
  return pieces
}

/**
 * @internal
 */
export const ciphers: Ciphers = {
  ...defaultCrypto,
  chaCha20Poly1305Encrypt: encrypt,
  chaCha20Poly1305Decrypt: decrypt
}

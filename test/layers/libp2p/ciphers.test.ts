/** Our cipher is libp2p's: the same bytes, and what was tampered with is refused. */
import { defaultCrypto } from "@chainsafe/libp2p-noise/crypto"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { Uint8ArrayList } from "uint8arraylist"
import { ciphers } from "../../../src/layers/libp2p/ciphers.ts"

const bytes = (length: number) => FastCheck.uint8Array({ minLength: length, maxLength: length })

const noAdditionalData = new Uint8Array(0)

/** Around the size from which the cipher is ours, and up to the largest packet. */
const sizes = FastCheck.oneof(
  FastCheck.integer({ min: 0, max: 40 }),
  FastCheck.integer({ min: 1170, max: 1230 }),
  FastCheck.integer({ min: 1230, max: 65_519 })
)

const given = FastCheck.record({
  seed: FastCheck.nat(),
  size: sizes,
  key: bytes(32),
  nonce: bytes(12),
  additional: FastCheck.oneof(FastCheck.constant(noAdditionalData), bytes(32)),
  cuts: FastCheck.array(FastCheck.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 })
})

const textOf = (seed: number, size: number) =>
  Uint8Array.from({ length: size }, (_, index) => (seed + index * 31) % 251)

/** The same bytes as they may come: in one piece or in several. */
const inPieces = (whole: Uint8Array, cuts: ReadonlyArray<number>): Uint8Array | Uint8ArrayList => {
  if (cuts.length === 0) return whole.slice()
  const at = [0, ...cuts.map((cut) => Math.floor(cut * whole.length)).sort((a, b) => a - b), whole.length]
  return new Uint8ArrayList(...at.slice(1).map((end, index) => whole.slice(at[index], end)))
}

const runs = { fastCheck: { numRuns: 1000 } }

describe("The cipher of a node", () => {
  it.prop(
    "encrypts as libp2p's does, and decrypts what that encrypted",
    { given },
    ({ given }) => {
      const { additional, cuts, key, nonce, seed, size } = given
      const text = textOf(seed, size)
      const theirs = defaultCrypto.chaCha20Poly1305Encrypt(text, nonce, additional, key).slice()
      const ours = ciphers.chaCha20Poly1305Encrypt(inPieces(text, cuts), nonce, additional, key)
      assert.deepStrictEqual(Buffer.from(ours.slice()), Buffer.from(theirs))
      const read = ciphers.chaCha20Poly1305Decrypt(inPieces(theirs, cuts), nonce, additional, key)
      assert.deepStrictEqual(Buffer.from(read.slice()), Buffer.from(text))
    },
    runs
  )

  it.prop(
    "refuses what is not as it was encrypted",
    { given, place: FastCheck.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }) },
    ({ given, place }) => {
      const { additional, cuts, key, nonce, seed, size } = given
      const encrypted = defaultCrypto.chaCha20Poly1305Encrypt(textOf(seed, size), nonce, additional, key).slice()
      const at = Math.floor(place * encrypted.length)
      encrypted[at] = (encrypted[at] ?? 0) ^ 1
      assert.throws(() => ciphers.chaCha20Poly1305Decrypt(inPieces(encrypted, cuts), nonce, additional, key))
    },
    runs
  )
})

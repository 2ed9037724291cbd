/**
 * BIP39 mnemonics: a kernel's key seed as words that a person can keep on paper.
 *
 * @since 0.1.0
 */
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from "@scure/bip39"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { InvalidMnemonicError } from "../errors/IdentityError.ts"

const seedLength = 32

/**
 * How many words a new mnemonic may have.
 *
 * @since 0.1.0
 * @category models
 */
export type Length = 12 | 24

/**
 * How many bytes of entropy a mnemonic of so many words holds.
 *
 * @since 0.1.0
 * @category getters
 */
export const entropyLength = (words: Length): 16 | 32 => (words === 12 ? 16 : 32)

/**
 * Whether the phrase is 12, 15, 18, 21 or 24 English words, one blank apart, with a valid checksum.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isMnemonic = (phrase: Redacted.Redacted<string>): boolean =>
  validateMnemonic(Redacted.value(phrase), wordlist)

/**
 * The 32-byte Ed25519 seed of a mnemonic, the same in an ocap-kernel: the first half of the BIP39 seed without a
 * passphrase. Takes some 50 ms of computing, as BIP39 wants it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toSeed = (
  phrase: Redacted.Redacted<string>
): Either.Either<Redacted.Redacted<Uint8Array>, InvalidMnemonicError> =>
  isMnemonic(phrase)
    ? Either.right(Redacted.make(mnemonicToSeedSync(Redacted.value(phrase)).slice(0, seedLength)))
    : Either.left(new InvalidMnemonicError())

/**
 * The mnemonic that stands for 16, 20, 24, 28 or 32 bytes of entropy; another length is a bug of the caller and throws.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEntropy = (entropy: Redacted.Redacted<Uint8Array>): Redacted.Redacted<string> =>
  Redacted.make(entropyToMnemonic(Redacted.value(entropy), wordlist))

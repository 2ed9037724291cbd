/**
 * What can be wrong with who a kernel is, and with the OCAP URLs it issues. No message ever holds a secret or a URL.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { excerpt } from "./excerpt.ts"

/**
 * The phrase is not a BIP39 mnemonic of 12, 15, 18, 21 or 24 English words with a valid checksum.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidMnemonicError extends Schema.TaggedError<InvalidMnemonicError>()("InvalidMnemonicError", {}) {
  override get message() {
    return "the phrase is not a valid BIP39 mnemonic of 12, 15, 18, 21 or 24 English words"
  }
}

/**
 * The seed is not 32 bytes in hexadecimal.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidSeedError extends Schema.TaggedError<InvalidSeedError>()("InvalidSeedError", {}) {
  override get message() {
    return "the key seed is not 32 bytes in hexadecimal"
  }
}

/**
 * A mnemonic was given to a store that already has an identity; taking it would silently change who the kernel is.
 *
 * @since 0.1.0
 * @category errors
 */
export class IdentityExistsError extends Schema.TaggedError<IdentityExistsError>()("IdentityExistsError", {
  peerId: Schema.String
}) {
  override get message() {
    return `the store already holds the identity ${excerpt(this.peerId)}; a mnemonic would change it`
  }
}

/**
 * The text is not an OCAP URL.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOcapUrlError extends Schema.TaggedError<InvalidOcapUrlError>()("InvalidOcapUrlError", {
  reason: Schema.Literal("NotAUrl", "OtherScheme", "NoObject", "NoHost", "NotOneHost", "BadHost", "TooLong")
}) {
  override get message() {
    switch (this.reason) {
      case "NotAUrl":
        return "not an OCAP URL: it has no scheme"
      case "OtherScheme":
        return 'not an OCAP URL: its scheme is not "ocap:"'
      case "NoObject":
        return "bad OCAP URL: it names no object"
      case "NoHost":
        return "bad OCAP URL: it names no host"
      case "NotOneHost":
        return 'bad OCAP URL: it must have exactly one "@"'
      case "BadHost":
        return "bad OCAP URL: its host is not a peer id"
      case "TooLong":
        return "bad OCAP URL: it is too long"
    }
  }
}

/**
 * The OCAP URL was not issued by this kernel, or not in this life of its store.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownOcapUrlError extends Schema.TaggedError<UnknownOcapUrlError>()("UnknownOcapUrlError", {
  reason: Schema.Literal("OtherHost", "BadReference")
}) {
  override get message() {
    return this.reason === "OtherHost"
      ? "the OCAP URL was issued by another kernel"
      : "the OCAP URL has a bad object reference"
  }
}

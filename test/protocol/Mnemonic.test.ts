import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Mnemonic from "../../src/protocol/Mnemonic.ts"

// Copied from the shared vectors (identity.json), which were taken from an ocap-kernel.
const vectors = [
  [
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
    "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
  ],
  [
    "legal winner thank year wave sausage worth useful legal winner thank yellow",
    "878386efb78845b3355bd15ea4d39ef97d179cb712b77d5c12b6be415fffeffe"
  ]
] as const

const phraseOf = (bytes: number) => Mnemonic.fromEntropy(Redacted.make(new Uint8Array(bytes)))
const wordsOf = (phrase: Redacted.Redacted<string>) => Redacted.value(phrase).split(" ")

describe("Mnemonic", () => {
  it.each(vectors)("makes the seed that an ocap-kernel makes of %s", (phrase, seed) => {
    const made = Either.getOrThrow(Mnemonic.toSeed(Redacted.make(phrase)))
    assert.strictEqual(Encoding.encodeHex(Redacted.value(made)), seed)
  })

  it.each([
    [16, 12],
    [20, 15],
    [24, 18],
    [28, 21],
    [32, 24]
  ])("accepts %d bytes of entropy as %d words", (bytes, words) => {
    const phrase = phraseOf(bytes)
    assert.strictEqual(wordsOf(phrase).length, words)
    assert.strictEqual(Redacted.value(Either.getOrThrow(Mnemonic.toSeed(phrase))).length, 32)
  })

  it.each([
    ["a wrong checksum", "abandon ".repeat(11) + "abandon"],
    ["five words", "abandon abandon abandon abandon about"],
    ["an unknown word", "abandon ".repeat(11) + "metamask"],
    ["thirteen words", "abandon ".repeat(12) + "about"],
    ["the empty string", ""],
    ["two blanks in a row", vectors[1][0].replace(" ", "  ")],
    ["broken Unicode", "\ud800"]
  ])("refuses %s", (_, phrase) => {
    const result = Mnemonic.toSeed(Redacted.make(phrase))
    assert.strictEqual(Either.isLeft(result) && result.left._tag, "InvalidMnemonicError")
  })

  it("does not repeat the phrase in its error", () => {
    const error = Either.getOrThrow(Either.flip(Mnemonic.toSeed(Redacted.make("correct horse battery"))))
    assert.notMatch(`${error.message} ${JSON.stringify(error)} ${error.stack}`, /correct|horse|battery/)
    assert.notInclude(String(Mnemonic.toSeed(Redacted.make(vectors[1][0]))), "878386ef")
  })

  it("stands for exactly the entropy that it was made of", () => {
    const entropy = FastCheck.constantFrom(16, 20, 24, 28, 32).chain((n) =>
      FastCheck.uint8Array({ minLength: n, maxLength: n })
    )
    const phrases = new Map<string, string>()
    FastCheck.assert(
      FastCheck.property(entropy, (bytes) => {
        const phrase = Mnemonic.fromEntropy(Redacted.make(bytes))
        assert.isTrue(Mnemonic.isMnemonic(phrase))
        const hex = Encoding.encodeHex(bytes)
        assert.strictEqual(phrases.get(Redacted.value(phrase)) ?? hex, hex)
        phrases.set(Redacted.value(phrase), hex)
      })
    )
  })

  it("has 128 bits in 12 words and 256 in 24", () => {
    assert.strictEqual(wordsOf(phraseOf(Mnemonic.entropyLength(12))).length, 12)
    assert.strictEqual(wordsOf(phraseOf(Mnemonic.entropyLength(24))).length, 24)
  })
})

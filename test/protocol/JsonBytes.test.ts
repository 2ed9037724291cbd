import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as JsonBytes from "../../src/protocol/JsonBytes.ts"

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Of every length in UTF-8 and in JSON, and halves of surrogate pairs that belong to nothing. */
const unit = FastCheck.constantFrom("x", '"', "\\", "\n", "\u0001", "ž", "€", "\u{1F600}", "\ud83d", "\ude00")

const plain = FastCheck.string({ unit: "grapheme-ascii", maxLength: 5 }).map((text) => text.replaceAll(/["\\]/g, "."))

const many = { fastCheck: { numRuns: 10_000 } }

const encoder = new TextEncoder()

/** Parts of JSON strings in UTF-8, and what is none. */
const bit = FastCheck.oneof(
  FastCheck.constantFrom(
    "x",
    "yz",
    "\\n",
    '\\"',
    "\\\\",
    "\\u00e9",
    "\\ud83d",
    "\\ude00",
    "ž",
    "€",
    "\u{1F600}",
    "\\",
    "\\u12",
    '"',
    "\n"
  ).map((text) => [...encoder.encode(text)]),
  FastCheck.constantFrom([0x80], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98], [0xff], [0])
)

/** What the text is between quotes, read in the way that anything can be read. */
const readWhole = (bytes: Uint8Array): string | undefined => {
  try {
    const text: unknown = JSON.parse(`"${decoder.decode(bytes)}"`)
    return typeof text === "string" ? text : undefined
  } catch {
    return undefined
  }
}

/** Longer than a piece, with a border between two pieces somewhere in its middle part. */
const long = FastCheck.tuple(FastCheck.integer({ min: 32_758, max: 32_770 }), FastCheck.array(unit, { maxLength: 12 }))

const same = (text: string) => {
  const bytes = JsonBytes.around('{"body":', text, "}")
  assert.strictEqual(decoder.decode(bytes), `{"body":${JSON.stringify(text)}}`)
}

describe("JsonBytes", () => {
  it.prop(
    "is the UTF-8 of JSON, wherever pieces end",
    [long],
    ([[before, units]]) => {
      const middle = units.join("")
      same("x".repeat(before) + middle + "x".repeat(40_000) + middle)
    },
    { fastCheck: { numRuns: 500 } }
  )

  it.prop(
    "is the UTF-8 of JSON in pieces of any size, whatever has to be escaped",
    [FastCheck.array(FastCheck.oneof(unit, plain), { maxLength: 40 }), FastCheck.integer({ min: 1, max: 12 }), plain],
    ([units, piece, before]) => {
      const text = units.join("")
      const bytes = JsonBytes.around(`"${before}":`, text, "}", piece)
      assert.strictEqual(decoder.decode(bytes), `"${before}":${JSON.stringify(text)}}`)
    },
    many
  )

  it("sees every character that JSON escapes, at every place", () => {
    for (let code = 0; code < 128; code += 1)
      for (let at = 0; at < 8; at += 1) {
        const text = "~".repeat(at) + String.fromCharCode(code) + "~".repeat(9 - at)
        assert.strictEqual(decoder.decode(JsonBytes.around("", text, "", 9)), JSON.stringify(text))
      }
  })

  it("gives the room in front of a long text away once, and leaves the text as it is", () => {
    const before = '"body":'
    const text = "x".repeat(40_000)
    const bytes = JsonBytes.around(before, text, "}")
    const copy = bytes.slice()
    assert.isUndefined(JsonBytes.claimRoom(bytes, 65))
    const claimed = JsonBytes.claimRoom(bytes, 64)
    assert.lengthOf(claimed ?? [], 64 + bytes.length)
    claimed?.fill(7, 0, 64)
    assert.deepStrictEqual(bytes, copy)
    assert.deepStrictEqual(claimed?.subarray(64), copy)
    assert.isUndefined(JsonBytes.claimRoom(bytes, 64))
    assert.isUndefined(JsonBytes.claimRoom(copy, 1))
    assert.isUndefined(JsonBytes.claimRoom(JsonBytes.around(before, "short", "}"), 1))
  })

  it.prop(
    "reads back every text, wherever pieces end",
    [FastCheck.array(FastCheck.oneof(unit, plain), { maxLength: 40 }), FastCheck.integer({ min: 6, max: 20 })],
    ([units, piece]) => {
      const text = units.join("")
      assert.strictEqual(JsonBytes.readText(encoder.encode(JSON.stringify(text).slice(1, -1)), piece), text)
    },
    many
  )

  it.prop(
    "reads nothing that JSON.parse does not, and nothing else out of it",
    [FastCheck.array(bit, { maxLength: 40 }), FastCheck.integer({ min: 6, max: 20 })],
    ([bits, piece]) => {
      const bytes = Uint8Array.from(bits.flat())
      assert.strictEqual(JsonBytes.readText(bytes, piece), readWhole(bytes))
    },
    many
  )

  it("keeps a pair whole behind half of another at the end of a piece", () => {
    for (let before = 32_764; before <= 32_768; before += 1)
      same(`${"x".repeat(before)}\ud83d\u{1F600}${"x".repeat(9)}`)
  })

  it.prop(
    "is the UTF-8 of JSON when all of it is longer there",
    [unit],
    ([repeated]) => same(repeated.repeat(100_000)),
    { fastCheck: { numRuns: 20 } }
  )

  it("writes nothing to a place that it has given away", () => {
    const texts = Array.from({ length: 3000 }, (_, index) => "y".repeat(index % 50) + String(index))
    const encoded = texts.map(JsonBytes.encode)
    assert.deepStrictEqual(
      encoded.map((bytes) => decoder.decode(bytes)),
      texts
    )
  })

  it("keeps no buffer of more than twice what is written", () => {
    for (const text of ["x".repeat(100_000), "ž".repeat(100_000), "\u0001".repeat(100_000), `${"€".repeat(40_000)}x`]) {
      const bytes = JsonBytes.around("", text, "")
      assert.isAtMost(bytes.buffer.byteLength, 2 * bytes.length)
    }
  })
})

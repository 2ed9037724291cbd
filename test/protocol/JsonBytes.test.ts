import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as JsonBytes from "../../src/protocol/JsonBytes.ts"

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Of every length in UTF-8 and in JSON, and halves of surrogate pairs that belong to nothing. */
const unit = FastCheck.constantFrom("x", '"', "\\", "\n", "\u0001", "ž", "€", "\u{1F600}", "\ud83d", "\ude00")

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

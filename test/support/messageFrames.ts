/**
 * Messages, and the frames that this library writes of them: for the two readers that take them apart without `JSON.parse`.
 */
import * as FastCheck from "effect/FastCheck"
import * as WireMessage from "../../src/protocol/WireMessage.ts"

/** ASCII that JSON writes as it is. */
export const plainAscii = FastCheck.string({ unit: "grapheme-ascii", maxLength: 8 }).map((text) =>
  text.replaceAll(/["\\]/g, ".")
)

/** What JSON writes as it is. */
export const plain = FastCheck.oneof(
  plainAscii,
  FastCheck.string({ unit: "grapheme", maxLength: 8 }),
  FastCheck.constantFrom("", "]", ",", "]},", "\u007f", "\u2028", "é", "\ud83d\ude00", '{"seq":1}'.replaceAll('"', "'"))
).map((text) => text.replaceAll(/["\\]|[^ -\uffff]/g, "."))

/** Likewise, and what JSON escapes, or what looks like a part of a frame. */
export const any = FastCheck.oneof(
  plain,
  FastCheck.string({ unit: "binary", maxLength: 20 }),
  FastCheck.constantFrom(
    '"',
    "\\",
    '","slots":[]},"result":"p"}]}',
    '{"methargs":{"body":"',
    "\ud83d",
    "\0",
    "\u001f",
    '#{"a":["b"]}'
  )
)

const numbers = FastCheck.oneof(FastCheck.integer({ min: 1, max: 300 }), FastCheck.constant(Number.MAX_SAFE_INTEGER))

/** A message under a number, with an ACK or none (0). */
export interface Numbered {
  readonly seq: number
  readonly ack: number
  readonly target: string
  readonly body: string
  readonly slots: ReadonlyArray<string>
  readonly result: string
}

/** Messages whose body is one of `body`, and everything else of them one of `text`. */
export const numbered = (
  text: FastCheck.Arbitrary<string>,
  body: FastCheck.Arbitrary<string> = text
): FastCheck.Arbitrary<Numbered> =>
  FastCheck.record({
    seq: numbers,
    ack: FastCheck.oneof(FastCheck.constant(0), numbers),
    target: text,
    body,
    slots: FastCheck.array(text, { maxLength: 3 }),
    result: text
  })

export const deliveryOf = ({ body, result, slots, target }: Numbered) => ({
  _tag: "Message" as const,
  target,
  methargs: { body, slots },
  result
})

/** The frame of it, as text. */
export const textOf = (message: Numbered): string => {
  const body = WireMessage.encodeBody({ _tag: "Deliver", delivery: deliveryOf(message) })
  return WireMessage.head(message.seq, message.ack) + new TextDecoder().decode(body)
}

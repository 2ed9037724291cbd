import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as ShortMessage from "../../src/protocol/ShortMessage.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"
import { bentBytes, makeDraw } from "../fuzz/mutate.ts"

const encoder = new TextEncoder()
const many = { fastCheck: { numRuns: 10_000 } }

/** What JSON writes as it is. */
const plain = FastCheck.oneof(
  FastCheck.string({ unit: "grapheme-ascii", maxLength: 8 }),
  FastCheck.string({ unit: "grapheme", maxLength: 8 }),
  FastCheck.constantFrom("", "]", ",", "]},", "\u007f", "\u2028", "é", "\ud83d\ude00", '{"seq":1}'.replaceAll('"', "'"))
).map((text) => text.replaceAll(/["\\]|[^ -\uffff]/g, "."))

const any = FastCheck.oneof(
  plain,
  FastCheck.string({ unit: "binary", maxLength: 20 }),
  FastCheck.constantFrom('"', "\\", '","slots":[]},"result":"p"}]}', "\ud83d", "\0", "\u001f", '#{"a":["b"]}')
)

const numbers = FastCheck.oneof(FastCheck.integer({ min: 1, max: 300 }), FastCheck.constant(Number.MAX_SAFE_INTEGER))

const messages = (text: FastCheck.Arbitrary<string>) =>
  FastCheck.record({
    seq: numbers,
    ack: FastCheck.oneof(FastCheck.constant(0), numbers),
    target: text,
    body: text,
    slots: FastCheck.array(text, { maxLength: 3 }),
    result: text
  })

type Message = ReturnType<typeof messages> extends FastCheck.Arbitrary<infer A> ? A : never

const deliveryOf = ({ body, result, slots, target }: Message) => ({
  _tag: "Message" as const,
  target,
  methargs: { body, slots },
  result
})

const textOf = (message: Message): string => {
  const body = WireMessage.encodeBody({ _tag: "Deliver", delivery: deliveryOf(message) })
  return WireMessage.head(message.seq, message.ack) + new TextDecoder().decode(body)
}

/** What is read is what JSON says, which takes a blank in front of it; gives whether anything was. */
const agrees = (text: string): boolean => {
  const read = ShortMessage.read(text)
  const asJson = WireMessage.decode(encoder.encode(` ${text}`))
  assert.deepStrictEqual(WireMessage.decode(encoder.encode(text)), asJson)
  if (read === undefined) return false
  const { ack, delivery, seq } = read
  assert.deepStrictEqual(asJson, Either.right({ _tag: "Sequenced", seq, ack, content: { _tag: "Deliver", delivery } }))
  return true
}

describe("ShortMessage", () => {
  it.prop(
    "reads every message of ours in which nothing is escaped",
    [messages(plain)],
    ([message]) => {
      const { ack, seq } = message
      assert.deepStrictEqual(ShortMessage.read(textOf(message)), { seq, ack, delivery: deliveryOf(message) })
    },
    many
  )

  it.prop(
    "leaves the rest of them, or reads what they say",
    [messages(any)],
    ([message]) => void agrees(textOf(message)),
    many
  )

  it.prop(
    "leaves what is bent, or reads what JSON says of it",
    [messages(FastCheck.oneof(plain, any)), FastCheck.nat()],
    ([message, seed]) => {
      const bent = bentBytes(makeDraw(seed, 0), textOf(message))
      void agrees(new TextDecoder().decode(bent))
    },
    many
  )

  for (const [what, text] of [
    [
      "a number that begins with a nought",
      '{"seq":01,"method":"deliver","params":["message","t",{"methargs":{"body":"b","slots":[]},"result":"r"}]}'
    ],
    [
      "a number that is not exact",
      '{"seq":9007199254740993,"method":"deliver","params":["message","t",{"methargs":{"body":"b","slots":[]},"result":"r"}]}'
    ],
    [
      "a number below one",
      '{"seq":0,"method":"deliver","params":["message","t",{"methargs":{"body":"b","slots":[]},"result":"r"}]}'
    ],
    [
      "no number",
      '{"seq":,"method":"deliver","params":["message","t",{"methargs":{"body":"b","slots":[]},"result":"r"}]}'
    ],
    [
      "a control character",
      '{"seq":1,"method":"deliver","params":["message","t",{"methargs":{"body":"\n","slots":[]},"result":"r"}]}'
    ],
    [
      "a slot that is no string",
      '{"seq":1,"method":"deliver","params":["message","t",{"methargs":{"body":"b","slots":["s",1]},"result":"r"}]}'
    ],
    [
      "a list that does not end",
      '{"seq":1,"method":"deliver","params":["message","t",{"methargs":{"body":"b","slots":["s",'
    ],
    [
      "more behind it",
      '{"seq":1,"method":"deliver","params":["message","t",{"methargs":{"body":"b","slots":[]},"result":"r"}]} '
    ]
  ] as const) {
    it(`leaves what has ${what} to JSON`, () => {
      assert.isFalse(agrees(text))
    })
  }
})

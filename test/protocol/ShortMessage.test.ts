import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as ShortMessage from "../../src/protocol/ShortMessage.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"
import { bentBytes, makeDraw } from "../fuzz/mutate.ts"
import { any, deliveryOf, numbered, plain, textOf } from "../support/messageFrames.ts"

const encoder = new TextEncoder()
const many = { fastCheck: { numRuns: 10_000 } }

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
    [numbered(plain)],
    ([message]) => {
      const { ack, seq } = message
      assert.deepStrictEqual(ShortMessage.read(textOf(message)), { seq, ack, delivery: deliveryOf(message) })
    },
    many
  )

  it.prop(
    "leaves the rest of them, or reads what they say",
    [numbered(any)],
    ([message]) => void agrees(textOf(message)),
    many
  )

  it.prop(
    "leaves what is bent, or reads what JSON says of it",
    [numbered(FastCheck.oneof(plain, any)), FastCheck.nat()],
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

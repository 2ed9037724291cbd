import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as LongMessage from "../../src/protocol/LongMessage.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"
import { bentBytes, makeDraw } from "../fuzz/mutate.ts"
import { any, deliveryOf, numbered, plainAscii, textOf } from "../support/messageFrames.ts"

const encoder = new TextEncoder()
const many = { fastCheck: { numRuns: 10_000 } }

/** What is read is what JSON says; gives whether anything was. */
const agrees = (frame: Uint8Array): boolean => {
  const read = LongMessage.read(frame)
  if (read === undefined) return false
  const { ack, delivery, seq } = read
  const content = { _tag: "Deliver" as const, delivery }
  assert.deepStrictEqual(WireMessage.decode(frame), Either.right({ _tag: "Sequenced", seq, ack, content }))
  return true
}

describe("LongMessage", () => {
  it.prop(
    "reads every message of ours in which nothing but the body is escaped",
    [numbered(plainAscii, any)],
    ([message]) => {
      const { ack, seq } = message
      const read = LongMessage.read(encoder.encode(textOf(message)))
      assert.deepStrictEqual(read, { seq, ack, delivery: deliveryOf(message) })
    },
    many
  )

  it.prop(
    "leaves the rest of them, or reads what they say",
    [numbered(any, any)],
    ([message]) => void agrees(encoder.encode(textOf(message))),
    many
  )

  it.prop(
    "reads nothing else out of a message that was bent",
    [numbered(plainAscii, any), FastCheck.nat()],
    ([message, seed]) => void agrees(bentBytes(makeDraw(seed, 0), textOf(message))),
    many
  )

  it("leaves what only looks like ours", () => {
    const frame = (text: string) => encoder.encode(text)
    const before = '{"seq":1,"method":"deliver","params":["message","t",{"methargs":{"body":"'
    const behind = '","slots":[]},"result":"r"}]}'
    assert.isTrue(agrees(frame(`${before}x${behind}`)))
    for (const text of [
      `${before}x","slots":["y"],"body":"z${behind}`,
      `${before}x"},"methargs":{"body":"z${behind}`,
      `${before}x${behind} `,
      ` ${before}x${behind}`,
      `${before}x\n${behind}`,
      `${before}x\\${behind}`,
      `${before}x"${behind}`,
      `${before}x\\u12${behind}`,
      `${before}x${behind.replace('"r"', "null")}`,
      `${before}x${behind.replace("[]", "[1]")}`,
      `${before.replace('"t"', '"\\u0074"')}x${behind}`,
      `${before.replace('"t"', '"é"')}x${behind}`,
      `${before.replace("1", "9007199254740993")}x${behind}`,
      `${before.replace("1", "01")}x${behind}`,
      `${before.replace("1", "0")}x${behind}`,
      `${before.replace('"seq"', '"ack":2,"seq"')}x${behind}`,
      `${before.replace("1,", '1,"seq":2,')}x${behind}`
    ])
      assert.isUndefined(LongMessage.read(frame(text)), text)
    assert.isUndefined(LongMessage.read(Uint8Array.of(...frame(before), 0xff, ...frame(behind))))
  })

  it.prop(
    "has long frames mean what short ones do",
    [numbered(any, any), FastCheck.nat()],
    ([message, seed]) => {
      const pad = "é".repeat(40_000)
      const long = bentBytes(makeDraw(seed, 0), textOf({ ...message, body: pad + message.body }))
      const decoded = WireMessage.decode(long)
      const parsed = WireMessage.parseObject(long)
      assert.strictEqual(Either.isLeft(decoded) && decoded.left === "a frame is not UTF-8 JSON", !isJson(long))
      if (Either.isLeft(decoded) || decoded.right._tag !== "Sequenced" || decoded.right.content._tag !== "Deliver")
        return
      const { delivery } = decoded.right.content
      if (delivery._tag !== "Message" || Either.isLeft(parsed)) return
      const call = { methargs: delivery.methargs, result: delivery.result }
      assert.deepInclude(parsed.right, { seq: decoded.right.seq, params: ["message", delivery.target, call] })
    },
    { fastCheck: { numRuns: 300 } }
  )
})

const isJson = (frame: Uint8Array): boolean => {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(frame))
    return true
  } catch {
    return false
  }
}

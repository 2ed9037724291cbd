import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as WireMessage from "../../src/protocol/WireMessage.ts"

type Content = Exclude<WireMessage.Content, { _tag: "Malformed" }>
type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const maxSeq = Number.MAX_SAFE_INTEGER
const many = { fastCheck: { numRuns: 10_000 } }

/** Any string at all: lone surrogates and control characters are as likely as letters. */
const codeUnits = FastCheck.array(FastCheck.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
const text = FastCheck.oneof(
  FastCheck.string({ unit: "binary", maxLength: 30 }),
  FastCheck.string({ maxLength: 30 }),
  codeUnits.map((units) => String.fromCharCode(...units)),
  FastCheck.constantFrom("", '"', "\\", '"}', "__proto__", "\ud83d", "\ude00\ud83d", "\u2028", "\0", '#["hi",[]]')
)
const texts = FastCheck.array(text, { maxLength: 4 })
const capData = FastCheck.record({ body: text, slots: texts }, { noNullPrototype: true })
const resolution = FastCheck.record(
  { promise: text, rejected: FastCheck.boolean(), value: capData },
  { noNullPrototype: true }
)
const seq = FastCheck.oneof(
  FastCheck.integer({ min: 1 }),
  FastCheck.maxSafeNat().map((n) => Math.max(1, n)),
  FastCheck.constant(maxSeq)
)
const ack = FastCheck.oneof(FastCheck.constant(0), seq)

const content: FastCheck.Arbitrary<Content> = FastCheck.oneof(
  FastCheck.tuple(text, capData, text).map(([target, methargs, result]): Content => ({
    _tag: "Deliver",
    delivery: { _tag: "Message", target, methargs, result }
  })),
  FastCheck.array(resolution, { maxLength: 4 }).map((resolutions): Content => ({
    _tag: "Deliver",
    delivery: { _tag: "Notify", resolutions }
  })),
  FastCheck.tuple(
    FastCheck.constantFrom("DropExports" as const, "RetireExports" as const, "RetireImports" as const),
    texts
  ).map(([_tag, refs]): Content => ({ _tag: "Deliver", delivery: { _tag, refs } })),
  FastCheck.constant<Content>({ _tag: "Deliver", delivery: { _tag: "BringOutYourDead" } }),
  FastCheck.tuple(text, text).map(([url, replyKey]): Content => ({ _tag: "RedeemUrl", url, replyKey })),
  FastCheck.tuple(FastCheck.boolean(), text, text).map(([ok, replyKey, value]): Content => ({
    _tag: "RedeemUrlReply",
    ok,
    replyKey,
    value
  })),
  FastCheck.tuple(seq, text, text).map(([seq, code, reason]): Content => ({ _tag: "Rejected", seq, code, reason })),
  FastCheck.constant<Content>({ _tag: "Abandoned" })
)

const frameOf = (seq: number, ack: number, body: Uint8Array): Uint8Array =>
  Uint8Array.of(...encoder.encode(WireMessage.head(seq, ack)), ...body)

const decodeText = (text: string) => WireMessage.decode(encoder.encode(text))
const decodeJson = (value: Json) => decodeText(JSON.stringify(value))

const JsonValue: Schema.Schema<Json> = Schema.suspend(() =>
  Schema.Union(
    Schema.Null,
    Schema.Boolean,
    Schema.Number,
    Schema.String,
    Schema.Array(JsonValue),
    Schema.Record({ key: Schema.String, value: JsonValue })
  )
)
const parseText = Schema.decodeSync(Schema.parseJson(Schema.Record({ key: Schema.String, value: JsonValue })))
const parse = (bytes: Uint8Array) => parseText(decoder.decode(bytes))

/** All places in a value, outermost first. */
const pathsIn = (value: Json): ReadonlyArray<ReadonlyArray<string | number>> => {
  if (typeof value !== "object" || value === null) return [[]]
  const below = Array.isArray(value)
    ? value.flatMap((it: Json, index) => pathsIn(it).map((path) => [index, ...path]))
    : Object.entries(value).flatMap(([key, it]) => pathsIn(it).map((path) => [key, ...path]))
  return [[], ...below]
}

const replace = (value: Json, [key, ...path]: ReadonlyArray<string | number>, by: Json): Json => {
  if (key === undefined) return by
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map((it: Json, index) => (index === key ? replace(it, path, by) : it))
  return Object.fromEntries(
    Object.entries(value).map(([name, it]) => [name, name === key ? replace(it, path, by) : it])
  )
}

const malformedSeq = (decoded: ReturnType<typeof WireMessage.decode>): number | undefined =>
  Either.isRight(decoded) && decoded.right._tag === "Sequenced" && decoded.right.content._tag === "Malformed"
    ? decoded.right.seq
    : undefined

const parseVector = Schema.decodeSync(
  Schema.parseJson(Schema.Struct({ frame: Schema.Record({ key: Schema.String, value: JsonValue }) }))
)

/** Recorded between a real ocap-kernel and a script that spoke its protocol (see "Vectors" in the protocol's description). */
const vectors = readFileSync(new URL("../vectors/ocap-kernel-frames.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => parseVector(line).frame)

describe("WireMessage", () => {
  it.prop(
    "gives back any content from its body",
    [content],
    ([content]) => {
      assert.deepStrictEqual(WireMessage.decodeBody(WireMessage.encodeBody(content)), content)
    },
    many
  )

  it.prop(
    "gives back content, number and ACK from a frame of head and body",
    [content, seq, ack],
    ([content, seq, ack]) => {
      const frame = frameOf(seq, ack, WireMessage.encodeBody(content))
      assert.deepStrictEqual(WireMessage.decode(frame), Either.right({ _tag: "Sequenced", seq, ack, content }))
    },
    many
  )

  it.prop(
    "keeps a body decodable after any number of encodings",
    [content],
    ([content]) => {
      const body = WireMessage.encodeBody(content)
      const again = WireMessage.decodeBody(body)
      assert.notStrictEqual(again._tag, "Malformed")
      if (again._tag !== "Malformed") assert.deepStrictEqual(WireMessage.encodeBody(again), body)
    },
    many
  )

  it.prop(
    "never makes a frame larger than announced",
    [content, seq, ack],
    ([content, seq, ack]) => {
      const body = WireMessage.encodeBody(content)
      assert.isAtMost(frameOf(seq, ack, body).length, WireMessage.largestFrame(body.length))
    },
    many
  )

  it("announces no more than the largest frame can have", () => {
    assert.strictEqual(WireMessage.largestFrame(100), WireMessage.head(maxSeq, maxSeq).length + 100)
  })

  it.prop("writes its members in the order of an ocap-kernel", [content, seq, seq], ([content, seq, ack]) => {
    const body = WireMessage.encodeBody(content)
    assert.deepStrictEqual(Object.keys(parse(frameOf(seq, ack, body))), ["seq", "ack", "method", "params"])
    assert.deepStrictEqual(Object.keys(parse(frameOf(seq, 0, body))), ["seq", "method", "params"])
  })

  it.prop(
    "reads its members in any order, and passes over unknown ones",
    [content, seq, seq],
    ([content, seq, ack]) => {
      const { method, params } = parse(frameOf(seq, ack, WireMessage.encodeBody(content)))
      assert.deepStrictEqual(
        decodeJson({ params: params ?? null, trace: { id: 1 }, method: method ?? null, ack, seq }),
        Either.right({ _tag: "Sequenced", seq, ack, content })
      )
    }
  )

  it.prop("gives back an ACK that travels alone", [seq], ([ack]) => {
    const frame = WireMessage.encodeAck(ack)
    assert.strictEqual(decoder.decode(frame), `{"ack":${ack}}`)
    assert.deepStrictEqual(WireMessage.decode(frame), Either.right({ _tag: "Ack", ack }))
  })

  describe("with an ocap-kernel's frames", () => {
    it("has them all", () => {
      assert.lengthOf(vectors, 30)
    })

    vectors.forEach((vector, index) => {
      it(`reads and writes number ${index + 1}: ${JSON.stringify(vector).slice(0, 80)}`, () => {
        const decoded = Either.getOrThrow(decodeJson(vector))
        const { ack, method, params } = vector
        if (method === "handshake" || method === "handshakeAck") {
          return assert.deepStrictEqual(decoded, { _tag: "Handshake" })
        }
        if (method === undefined) {
          assert.deepStrictEqual(decoded, { _tag: "Ack", ack: Number(ack) })
          return assert.strictEqual(decoder.decode(WireMessage.encodeAck(Number(ack))), JSON.stringify(vector))
        }
        if (decoded._tag !== "Sequenced") return assert.fail("not understood")
        const { content } = decoded
        if (content._tag === "Malformed") return assert.fail(content.reason)
        const kind = content._tag === "Deliver" ? [method, content.delivery._tag] : [method, content._tag]
        const first: unknown = Array.isArray(params) ? params[0] : undefined
        const kinds = [
          ["deliver", first === "message" ? "Message" : "BringOutYourDead"],
          ["redeemURL", "RedeemUrl"],
          ["redeemURLReply", "RedeemUrlReply"]
        ]
        assert.deepInclude(kinds, kind)
        const frame = frameOf(decoded.seq, decoded.ack, WireMessage.encodeBody(content))
        assert.strictEqual(decoder.decode(frame), JSON.stringify(vector))
      })
    })
  })

  it("gives back a grant of room, and takes none that makes no sense", () => {
    const to = { messages: 0, bytes: maxSeq }
    const text = decoder.decode(WireMessage.encodeCredit(to))
    assert.strictEqual(text, `{"credit":{"messages":0,"bytes":${maxSeq}}}`)
    assert.deepStrictEqual(decodeText(text), Either.right({ _tag: "Credit", to }))
    for (const credit of [null, 1, [], {}, { messages: 1 }, { messages: -1, bytes: 1 }, { messages: 1, bytes: 0.5 }]) {
      assert.isTrue(Either.isLeft(decodeJson({ credit })), JSON.stringify(credit))
    }
  })

  describe("with what makes no sense", () => {
    it.prop(
      "reads any bytes without an exception",
      [FastCheck.uint8Array({ maxLength: 64 })],
      ([bytes]) => {
        assert.isTrue(Either.isEither(WireMessage.decode(bytes)))
        assert.isString(WireMessage.decodeBody(bytes)._tag)
      },
      many
    )

    const near = FastCheck.dictionary(
      FastCheck.constantFrom("seq", "ack", "method", "params", "__proto__", "toString"),
      FastCheck.oneof(
        FastCheck.constantFrom<Json>("deliver", "redeemURL", "redeemURLReply", "rejected", "handshake", 1, 2, null),
        FastCheck.array(
          FastCheck.oneof(
            FastCheck.constantFrom<Json>("message", "notify", "dropExports", 1, true),
            FastCheck.jsonValue()
          )
        ),
        FastCheck.jsonValue()
      )
    )
    it.prop(
      "reads any JSON without an exception",
      [FastCheck.oneof(FastCheck.jsonValue(), near)],
      ([value]) => {
        const text = JSON.stringify(value)
        const decoded = decodeText(text)
        assert.isTrue(Either.isEither(decoded))
        assert.isString(WireMessage.decodeBody(encoder.encode(text.slice(1)))._tag)
        if (Either.isRight(decoded) && decoded.right._tag === "Sequenced") {
          assert.isTrue(Number.isSafeInteger(decoded.right.seq) && decoded.right.seq >= 1)
          assert.isTrue(Number.isSafeInteger(decoded.right.ack) && decoded.right.ack >= 0)
        }
      },
      { fastCheck: { numRuns: 10_000 } }
    )

    it.prop(
      "takes a null anywhere in the content for malformed, in its place in the sequence",
      [content, seq, ack, FastCheck.nat()],
      ([content, seq, ack, pick]) => {
        const frame = parse(frameOf(seq, ack, WireMessage.encodeBody(content)))
        const paths = pathsIn(frame).filter(([first]) => first === "method" || first === "params")
        const decoded = decodeJson(replace(frame, paths[pick % paths.length] ?? [], null))
        assert.strictEqual(malformedSeq(decoded), seq)
        if (Either.isRight(decoded) && decoded.right._tag === "Sequenced") assert.strictEqual(decoded.right.ack, ack)
      },
      { fastCheck: { numRuns: 10_000 } }
    )

    const args = { body: "b", slots: [] }
    const malformed: ReadonlyArray<readonly [string, { readonly [key: string]: Json }]> = [
      ["no method", { params: [] }],
      ["no params", { method: "deliver" }],
      ["an unknown method", { method: "shout", params: [] }],
      ["the method of a handshake", { method: "handshake", params: { incarnationId: "i" } }],
      ["a method that every object has", { method: "toString", params: [] }],
      ["params that are no list", { method: "deliver", params: { 0: "bringOutYourDead", length: 1 } }],
      ["no kind of delivery", { method: "deliver", params: [] }],
      ["an unknown kind of delivery", { method: "deliver", params: ["shout"] }],
      ["a message without a result", { method: "deliver", params: ["message", "t", { methargs: args }] }],
      ["a message without arguments", { method: "deliver", params: ["message", "t", { result: "r" }] }],
      ["a message that is too short", { method: "deliver", params: ["message", "t"] }],
      [
        "a message that is too long",
        { method: "deliver", params: ["message", "t", { methargs: args, result: "r" }, 1] }
      ],
      [
        "arguments without slots",
        { method: "deliver", params: ["message", "t", { methargs: { body: "b" }, result: "r" }] }
      ],
      [
        "arguments without a body",
        { method: "deliver", params: ["message", "t", { methargs: { slots: [] }, result: "r" }] }
      ],
      ["arguments as a list", { method: "deliver", params: ["message", "t", { methargs: ["b", []], result: "r" }] }],
      [
        "slots that are numbers",
        { method: "deliver", params: ["message", "t", { methargs: { body: "b", slots: [1] }, result: "r" }] }
      ],
      ["a notify without resolutions", { method: "deliver", params: ["notify"] }],
      ["a resolution without a value", { method: "deliver", params: ["notify", [["p", false]]] }],
      ["a resolution whose verdict is a number", { method: "deliver", params: ["notify", [["p", 0, args]]] }],
      ["one bad resolution among good ones", { method: "deliver", params: ["notify", [["p", true, args], {}]] }],
      ["references that are one string", { method: "deliver", params: ["dropExports", "ro+1"] }],
      ["references without a list", { method: "deliver", params: ["retireImports", "ro+1", "ro+2"] }],
      ["a redemption without a key", { method: "redeemURL", params: ["u"] }],
      ["an answer whose verdict is a string", { method: "redeemURLReply", params: ["true", "k", "v"] }],
      ["a rejection of number 0", { method: "rejected", params: [0, "c", "r"] }],
      ["a rejection of a fractional number", { method: "rejected", params: [1.5, "c", "r"] }],
      ["a rejection of a number that cannot be", { method: "rejected", params: [2 ** 53, "c", "r"] }]
    ]
    for (const [what, rest] of malformed) {
      it(`takes ${what} for malformed, with its number`, () => {
        assert.strictEqual(malformedSeq(decodeJson({ seq: 7, ...rest })), 7)
      })
    }

    it("does not take a prototype's members for its own", () => {
      const call = `{"__proto__":{"methargs":{"body":"b","slots":[]},"result":"r"}}`
      assert.strictEqual(malformedSeq(decodeText(`{"seq":7,"method":"deliver","params":["message","t",${call}]}`)), 7)
      assert.isTrue(
        Either.isLeft(decodeText(`{"__proto__":{"seq":1,"method":"deliver","params":["bringOutYourDead"]}}`))
      )
      assert.isTrue(Either.isLeft(decodeText(`{"__proto__":{"ack":1}}`)))
      assert.strictEqual(Object.getPrototypeOf({}), Object.prototype)
    })

    it("is not misled by a prototype that somebody has added to", () => {
      Object.defineProperty(Object.prototype, "ack", { value: 5, configurable: true })
      try {
        assert.isTrue(Either.isLeft(decodeText("{}")))
        assert.deepStrictEqual(
          decodeText(`{"seq":1,"method":"deliver","params":["bringOutYourDead"]}`),
          Either.right({
            _tag: "Sequenced",
            seq: 1,
            ack: 0,
            content: { _tag: "Deliver", delivery: { _tag: "BringOutYourDead" } }
          })
        )
      } finally {
        Reflect.deleteProperty(Object.prototype, "ack")
      }
    })

    for (const number of [
      "0",
      "-0",
      "-1",
      "1.5",
      "1e-3",
      "1e400",
      "-1e400",
      "9007199254740992",
      "1e300",
      '"1"',
      '"NaN"',
      "null",
      "true",
      "[1]",
      "{}"
    ]) {
      it(`takes neither a number ${number} nor an ACK ${number}`, () => {
        const rest = `"method":"deliver","params":["bringOutYourDead"]}`
        assert.isTrue(Either.isLeft(decodeText(`{"seq":${number},${rest}`)))
        assert.isTrue(Either.isLeft(decodeText(`{"seq":1,"ack":${number},${rest}`)))
        assert.isTrue(Either.isLeft(decodeText(`{"ack":${number}}`)))
      })
    }

    it("takes no message without a number", () => {
      assert.isTrue(Either.isLeft(decodeText(`{"method":"deliver","params":["bringOutYourDead"]}`)))
      assert.isTrue(Either.isLeft(decodeText(`{"ack":1,"method":"deliver","params":["bringOutYourDead"]}`)))
      assert.isTrue(Either.isLeft(decodeText("{}")))
    })

    for (const text of [
      "",
      " ",
      "null",
      "1",
      '"a"',
      "[]",
      '[{"ack":1}]',
      '{"ack":1',
      '{"ack":1}}',
      '{"ack":1}{"ack":2}',
      "{'ack':1}",
      '{"ack":NaN}',
      '\ufeff{"ack":1}'
    ]) {
      it(`takes ${JSON.stringify(text)} for no frame`, () => {
        assert.isTrue(Either.isLeft(decodeText(text)))
      })
    }

    it("takes nothing that is not UTF-8", () => {
      const valid = encoder.encode(`{"seq":1,"method":"redeemURL","params":["x","k"]}`)
      const at = valid.indexOf("x".charCodeAt(0))
      for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]]) {
        const frame = Uint8Array.of(...valid.subarray(0, at), ...bytes, ...valid.subarray(at + 1))
        assert.isTrue(Either.isLeft(WireMessage.decode(frame)), bytes.join())
        assert.strictEqual(WireMessage.decodeBody(frame.subarray('{"seq":1,'.length))._tag, "Malformed")
      }
      assert.isTrue(Either.isRight(WireMessage.decode(valid)))
    })
  })
})

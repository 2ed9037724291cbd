import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Handshake from "../../src/protocol/Handshake.ts"
import type { Statement } from "../../src/protocol/Session.ts"
import * as Senders from "../../src/protocol/Senders.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const many = { fastCheck: { numRuns: 10_000 } }
const tags = ["handshake", "handshakeAck"] as const

const id = FastCheck.oneof(
  FastCheck.uuid(),
  FastCheck.string({ unit: "binary", minLength: 1, maxLength: 40 }),
  FastCheck.constantFrom("a", '"', "\ud83d", "x".repeat(Handshake.maxIdLength), "\0".repeat(Handshake.maxIdLength))
)
const count = FastCheck.oneof(FastCheck.nat(5), FastCheck.nat(), FastCheck.constantFrom(Number.MAX_SAFE_INTEGER - 1))

const large = count.map((it) => it % 2 ** 50)

/** Any that can be: acknowledged < base <= next and sent < next. */
const statement = (incarnationId: string): FastCheck.Arbitrary<Statement> =>
  FastCheck.tuple(
    FastCheck.option(id, { nil: undefined }),
    FastCheck.record({
      epoch: count.map((it) => Math.min(it, Handshake.maxEpoch)),
      received: count,
      acknowledged: large
    }),
    FastCheck.tuple(large, large, count),
    FastCheck.tuple(
      FastCheck.array(FastCheck.uuid(), { maxLength: Senders.max }),
      FastCheck.option(id, { nil: undefined })
    )
  ).map(
    ([peerIncarnationId, { acknowledged, epoch, received }, [abandoned, pending, sent], [processes, receivedFrom]]) => {
      const base = acknowledged + 1 + abandoned
      const next = base + pending
      const senders = processes.map((process, index) => ({ from: 2 ** 50 + index, process }))
      const numbers = { epoch, received, acknowledged, base, next, sent: sent % next }
      return { incarnationId, peerIncarnationId, ...numbers, senders, receivedFrom }
    }
  )
const channelName = FastCheck.record({ process: id, dial: count }, { noNullPrototype: true })
const limits = FastCheck.tuple(large, large, large).map(([frame, messages, more]) => ({
  frame: frame + 1,
  messages: messages + 2,
  bytes: 2 * frame + 2 + more
}))
const hello: FastCheck.Arbitrary<Handshake.Hello> = FastCheck.tuple(FastCheck.constantFrom(...tags), id).chain(
  ([_tag, incarnationId]) =>
    FastCheck.option(
      FastCheck.record(
        {
          statement: statement(incarnationId),
          process: id,
          dial: count,
          after: FastCheck.option(channelName, { nil: undefined }),
          limits: FastCheck.option(limits, { nil: undefined })
        },
        { noNullPrototype: true }
      ),
      { nil: undefined }
    ).map((extensions) => ({ _tag, incarnationId, extensions }))
)

const Members = Schema.Record({ key: Schema.String, value: Schema.Unknown })
const parse = Schema.decodeSync(
  Schema.parseJson(
    Schema.Struct({
      method: Schema.String,
      params: Schema.Struct(
        {
          extensions: Schema.optional(
            Schema.Struct({ session: Members, channel: Members, limits: Schema.optional(Members) })
          )
        },
        { key: Schema.String, value: Schema.Unknown }
      )
    })
  )
)

const decodeText = (text: string, expected: Handshake.Hello["_tag"] = "handshake") =>
  Handshake.decode(expected, encoder.encode(text))
const decodeParams = (params: unknown) => decodeText(JSON.stringify({ method: "handshake", params }))

const session = { with: "peer", epoch: 0, received: 0, sent: 0, acknowledged: 0, base: 1, next: 1 }
const channel = { process: "p", dial: 1, after: null }
const withSession = (changes: object) =>
  decodeParams({ incarnationId: "i", extensions: { session: { ...session, ...changes }, channel } })
const withChannel = (changes: object) =>
  decodeParams({ incarnationId: "i", extensions: { session, channel: { ...channel, ...changes } } })
const isBase = (decoded: ReturnType<typeof decodeText>) =>
  Either.isRight(decoded) && decoded.right.extensions === undefined

describe("Handshake", () => {
  it.prop(
    "gives back what was said, with extensions and without",
    [hello],
    ([hello]) => {
      const frame = Handshake.encode(hello)
      const expected = frame.length > Handshake.maxFrameSize ? undefined : hello
      assert.deepStrictEqual(Either.getOrUndefined(Handshake.decode(hello._tag, frame)), expected)
    },
    many
  )

  it.prop("understands only the part that is expected", [hello], ([hello]) => {
    const other = hello._tag === "handshake" ? "handshakeAck" : "handshake"
    assert.isTrue(Either.isLeft(Handshake.decode(other, Handshake.encode(hello))))
  })

  it("fits into a handshake frame with the longest ids of an ocap-kernel and the largest numbers", () => {
    const incarnationId = "6f1c1f0e-0000-4000-8000-000000000001"
    const most = Number.MAX_SAFE_INTEGER
    const numbers = {
      epoch: Handshake.maxEpoch,
      received: most,
      sent: most - 1,
      acknowledged: most - 1,
      base: most,
      next: most
    }
    // Written in JSON as six characters each.
    const process = "\0".repeat(Handshake.maxIdLength)
    const senders = Array.from({ length: Senders.max }, (_, at) => ({ from: 2 ** 52 + at, process: incarnationId }))
    const hello: Handshake.Hello = {
      _tag: "handshakeAck",
      incarnationId,
      extensions: {
        statement: { incarnationId, peerIncarnationId: incarnationId, ...numbers, senders, receivedFrom: process },
        process,
        dial: most,
        after: { process, dial: most },
        limits: { frame: 1_048_576, messages: most, bytes: most }
      }
    }
    assert.isAtMost(Handshake.encode(hello).length, Handshake.maxFrameSize)
    assert.deepStrictEqual(Handshake.decode("handshakeAck", Handshake.encode(hello)), Either.right(hello))
  })

  it("writes an ocap-kernel's form without extensions, to the byte", () => {
    for (const _tag of tags) {
      assert.strictEqual(
        decoder.decode(Handshake.encode({ _tag, incarnationId: "2142c61f-25ec", extensions: undefined })),
        `{"method":"${_tag}","params":{"incarnationId":"2142c61f-25ec"}}`
      )
    }
  })

  it("writes the extensions behind what an ocap-kernel reads", () => {
    const statement: Statement = {
      incarnationId: "I",
      peerIncarnationId: undefined,
      epoch: 2,
      received: 3,
      sent: 6,
      acknowledged: 4,
      base: 5,
      next: 7,
      senders: [
        { from: 4, process: "q" },
        { from: 6, process: "p" }
      ],
      receivedFrom: "r"
    }
    const limits = { frame: 10, messages: 11, bytes: 20 }
    const extensions = { statement, process: "p", dial: 9, after: { process: "q", dial: 8 }, limits }
    assert.strictEqual(
      decoder.decode(Handshake.encode({ _tag: "handshake", incarnationId: "I", extensions })),
      `{"method":"handshake","params":{"incarnationId":"I","extensions":{` +
        `"session":{"with":null,"epoch":2,"received":3,"sent":6,"acknowledged":4,"base":5,"next":7,` +
        `"senders":[[4,"q"],[6,"p"]],"receivedFrom":"r"},` +
        `"channel":{"process":"p","dial":9,"after":{"process":"q","dial":8}},` +
        `"limits":{"frame":10,"messages":11,"bytes":20}}}}`
    )
  })

  it.prop(
    "passes over members that it does not know",
    [hello, FastCheck.jsonValue()],
    ([hello, extra]) => {
      const { method, params } = parse(decoder.decode(Handshake.encode(hello)))
      const extensions = params.extensions && {
        unknown: extra,
        session: { ...params.extensions.session, unknown: extra },
        channel: { unknown: extra, ...params.extensions.channel },
        ...(params.extensions.limits && { limits: { ...params.extensions.limits, unknown: extra } })
      }
      const more = extensions === undefined ? {} : { extensions }
      const text = JSON.stringify({
        seq: extra,
        method,
        unknown: extra,
        params: { unknown: extra, ...params, ...more }
      })
      if (encoder.encode(text).length > Handshake.maxFrameSize) return
      assert.deepStrictEqual(decodeText(text, hello._tag), Either.right(hello))
    },
    many
  )

  it("refuses senders that are none, too many or out of order", () => {
    const named = (count: number) => Array.from({ length: count }, (_, at) => [1 + at, "p"])
    for (const senders of [[], [[1, "p"]], named(Senders.max)]) {
      assert.isTrue(Either.isRight(withSession({ senders })), JSON.stringify(senders))
    }
    const wrong = [
      null,
      {},
      [1],
      [["p", 1]],
      [[0, "p"]],
      [[1.5, "p"]],
      [[1, ""]],
      [
        [2, "p"],
        [2, "q"]
      ],
      named(17)
    ]
    for (const senders of wrong) assert.isTrue(Either.isLeft(withSession({ senders })), JSON.stringify(senders))
    for (const receivedFrom of [null, "", 1, "x".repeat(Handshake.maxIdLength + 1)]) {
      assert.isTrue(Either.isLeft(withSession({ receivedFrom })), JSON.stringify(receivedFrom))
    }
  })

  it("refuses limits that let nothing through, or are none", () => {
    const sensible = { frame: 10, messages: 2, bytes: 20 }
    const withLimits = (limits: unknown) =>
      decodeParams({ incarnationId: "i", extensions: { session, channel, limits } })
    assert.isTrue(Either.isRight(withLimits(sensible)))
    for (const wrong of [
      null,
      1,
      {},
      [],
      { ...sensible, frame: 0 },
      { ...sensible, frame: 11 },
      { ...sensible, messages: 1 },
      { ...sensible, bytes: 19 },
      { ...sensible, bytes: "20" },
      { ...sensible, bytes: 1e300 }
    ]) {
      assert.isTrue(Either.isLeft(withLimits(wrong)), JSON.stringify(wrong))
    }
  })

  it("takes a peer that announces extensions of another kind for one of the base profile", () => {
    for (const extensions of [
      null,
      1,
      "x",
      [],
      {},
      { resume: { received: 4 } },
      { session },
      { channel },
      { session, channel: 1 }
    ]) {
      assert.isTrue(isBase(decodeParams({ incarnationId: "i", extensions })), JSON.stringify(extensions))
    }
  })

  describe("with what makes no sense", () => {
    it("takes a frame of the largest size, and none beyond", () => {
      const text = (size: number) => {
        const frame = (pad: string) => `{"method":"handshake","params":{"incarnationId":"i"},"pad":"${pad}"}`
        return frame("x".repeat(size - frame("").length))
      }
      assert.strictEqual(Handshake.maxFrameSize, 4096)
      assert.isTrue(isBase(decodeText(text(4096))))
      assert.isTrue(Either.isLeft(decodeText(text(4097))))
    })

    for (const params of [
      undefined,
      null,
      "i",
      ["i"],
      {},
      { incarnationId: null },
      { incarnationId: 1 },
      { incarnationId: "" },
      { incarnationId: ["i"] },
      { incarnationId: "x".repeat(129) }
    ]) {
      it(`takes no params ${JSON.stringify(params)?.slice(0, 40)}`, () => {
        assert.isTrue(Either.isLeft(decodeParams(params)))
      })
    }

    it("takes an id of the largest length", () => {
      assert.isTrue(isBase(decodeParams({ incarnationId: "x".repeat(128) })))
    })

    for (const text of [
      "",
      "null",
      "[]",
      "{}",
      `{"params":{"incarnationId":"i"}}`,
      `{"method":"Handshake","params":{"incarnationId":"i"}}`,
      `{"method":"handshakeAck","params":{"incarnationId":"i"}}`,
      `{"method":["handshake"],"params":{"incarnationId":"i"}}`,
      `{"seq":1,"method":"deliver","params":["bringOutYourDead"]}`,
      `\ufeff{"method":"handshake","params":{"incarnationId":"i"}}`
    ]) {
      it(`takes ${JSON.stringify(text)} for no handshake`, () => {
        assert.isTrue(Either.isLeft(decodeText(text)))
      })
    }

    it("takes a session and a channel that can be", () => {
      for (const changes of [
        {},
        { with: null },
        { sent: 4, acknowledged: 2, base: 3, next: 5 },
        { base: 9, next: 9, sent: 8 }
      ]) {
        assert.isFalse(isBase(withSession(changes)) || Either.isLeft(withSession(changes)), JSON.stringify(changes))
      }
      for (const changes of [{}, { after: { process: "q", dial: 0 } }]) {
        assert.isTrue(Either.isRight(withChannel(changes)), JSON.stringify(changes))
      }
    })

    const numbers = ["epoch", "received", "sent", "acknowledged", "base", "next"] as const
    for (const bad of [-1, 0.5, 2 ** 53, null, "1", [1], undefined]) {
      it(`takes no session with a number ${JSON.stringify(bad)}`, () => {
        for (const name of numbers) {
          // Room on both sides, so that only the kind of the number is wrong.
          assert.isTrue(Either.isLeft(withSession({ sent: 4, base: 5, next: 5, [name]: bad })), name)
        }
      })
    }

    it("takes no session so high that counting on would leave the numbers there are", () => {
      assert.isTrue(Either.isRight(withSession({ epoch: Handshake.maxEpoch })))
      assert.isTrue(Either.isLeft(withSession({ epoch: Handshake.maxEpoch + 1 })))
    })

    for (const changes of [
      { acknowledged: 1 },
      { acknowledged: 5, base: 5, next: 9, sent: 6 },
      { base: 2 },
      { sent: 1 },
      { base: 0, next: 0 },
      { with: undefined },
      { with: "" },
      { with: 1 },
      { with: "x".repeat(129) }
    ]) {
      it(`takes no session with ${JSON.stringify(changes).slice(0, 60)}`, () => {
        assert.isTrue(Either.isLeft(withSession(changes)))
      })
    }

    for (const changes of [
      { process: "" },
      { process: 1 },
      { process: undefined },
      { process: "x".repeat(129) },
      { dial: -1 },
      { dial: 1.5 },
      { dial: "1" },
      { after: undefined },
      { after: "p" },
      { after: {} },
      { after: { process: "p" } },
      { after: { process: "", dial: 1 } },
      { after: { process: "p", dial: -1 } }
    ]) {
      it(`takes no channel with ${JSON.stringify(changes).slice(0, 60)}`, () => {
        assert.isTrue(Either.isLeft(withChannel(changes)))
      })
    }

    it.prop(
      "reads any bytes without an exception",
      [FastCheck.uint8Array({ maxLength: 64 })],
      ([bytes]) => {
        for (const tag of tags) assert.isTrue(Either.isLeft(Handshake.decode(tag, bytes)))
        assert.isTrue(Either.isLeft(Handshake.decodeConfirmation(0, bytes)))
      },
      many
    )

    const value = FastCheck.oneof(
      FastCheck.jsonValue(),
      FastCheck.constantFrom("handshake", "i", 0, 1, null, session, channel)
    )
    const near = FastCheck.record(
      {
        method: FastCheck.constantFrom("handshake", "handshakeConfirm"),
        params: FastCheck.record(
          {
            incarnationId: FastCheck.oneof(FastCheck.constant("i"), value),
            extensions: FastCheck.record({
              session: FastCheck.oneof(
                value,
                FastCheck.dictionary(FastCheck.constantFrom("with", ...numbers), value).map((it) => ({
                  ...session,
                  ...it
                }))
              ),
              channel: FastCheck.oneof(
                value,
                FastCheck.dictionary(FastCheck.constantFrom("process", "dial", "after"), value).map((it) => ({
                  ...channel,
                  ...it
                }))
              )
            })
          },
          { requiredKeys: [] }
        )
      },
      { requiredKeys: [] }
    )
    it.prop(
      "reads any JSON without an exception, and takes nothing that cannot be",
      [FastCheck.oneof(near, value)],
      ([value]) => {
        const decoded = decodeText(JSON.stringify(value))
        if (Either.isLeft(decoded) || decoded.right.extensions === undefined) return
        const { acknowledged, base, next, sent } = decoded.right.extensions.statement
        assert.isTrue(acknowledged < base && base <= next && sent < next)
      },
      { fastCheck: { numRuns: 10_000 } }
    )
  })

  describe("confirmation", () => {
    it.prop("is understood for its epoch and no other", [count, count], ([epoch, other]) => {
      const frame = Handshake.encodeConfirmation(epoch)
      assert.strictEqual(decoder.decode(frame), `{"method":"handshakeConfirm","params":{"epoch":${epoch}}}`)
      assert.isTrue(Either.isRight(Handshake.decodeConfirmation(epoch, frame)))
      assert.strictEqual(Either.isRight(Handshake.decodeConfirmation(other, frame)), other === epoch)
      for (const tag of tags) assert.isTrue(Either.isLeft(Handshake.decode(tag, frame)))
    })

    for (const text of [
      "",
      "{}",
      `{"method":"handshakeConfirm"}`,
      `{"method":"handshakeConfirm","params":null}`,
      `{"method":"handshakeConfirm","params":{"epoch":"1"}}`,
      `{"method":"handshake","params":{"epoch":1}}`,
      `{"ack":1}`
    ]) {
      it(`is not ${JSON.stringify(text)}`, () => {
        assert.isTrue(Either.isLeft(Handshake.decodeConfirmation(1, encoder.encode(text))))
      })
    }
  })
})

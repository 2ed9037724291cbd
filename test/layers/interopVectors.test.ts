import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import { RedemptionRefusedError } from "../../src/errors/RemoteError.ts"
import * as OcapUrl from "../../src/protocol/OcapUrl.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"
import { layer as layerNetwork } from "../../src/testing/Network.ts"
import type { Line } from "../support/basePeer.ts"
import { ids, startBasePeer } from "../support/basePeer.ts"
import type { Kernel } from "../support/kernel.ts"
import { addressOf, bodiesOf, startKernel } from "../support/kernel.ts"

const Frame = Schema.Struct({
  seq: Schema.optional(Schema.Number),
  ack: Schema.optional(Schema.Number),
  method: Schema.optional(Schema.String),
  params: Schema.optional(Schema.Unknown)
})
const Entry = Schema.parseJson(
  Schema.Struct({ scene: Schema.String, from: Schema.Literal("peer", "ocap-kernel"), frame: Frame })
)
type Entry = typeof Entry.Type

const recorded = Fs.readFileSync(new URL("../vectors/ocap-kernel-frames.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => Schema.decodeSync(Entry)(line))

const scene = (name: string) => {
  const entries = recorded.filter((entry) => entry.scene === name)
  assert.isAbove(entries.length, 0, name)
  return entries
}

const contentOf = ({ method, params }: Entry["frame"]): WireMessage.Content =>
  WireMessage.decodeBody(
    new TextEncoder().encode(`"method":${JSON.stringify(method)},"params":${JSON.stringify(params)}}`)
  )

/** Has the scene's other part played by a kernel of ours, and compares what it says. */
const replay = (entries: ReadonlyArray<Entry>) =>
  Effect.gen(function* () {
    const alice = yield* startKernel("alice")
    const ocap = yield* startBasePeer(ids.low)
    const handle = yield* alice.remotes.get(ocap.peerId, { hints: [addressOf(ocap.peerId)] })
    const redemptions: Array<Fiber.Fiber<Either.Either<string, unknown>>> = []
    /** Our reply keys are random; the recording's stand for them. */
    const keys = new Map<string, string>()
    let line: Line | undefined
    let sent = 0
    let acknowledged = 0

    const connect = Effect.gen(function* () {
      if (line !== undefined) return line
      const { connect } = yield* alice.transport.link(ocap.peerId)
      if (entries[0]?.from === "peer") yield* connect
      line = yield* entries[0]?.from === "peer" ? ocap.accept : ocap.dial(alice.peerId)
      return line
    })
    const hear = Effect.flatMap(
      Effect.flatMap(connect, ({ hear }) => hear),
      Schema.decodeUnknown(Frame)
    )

    const say = ({ params, ...frame }: Entry["frame"]) => {
      const content = contentOf({ ...frame, params })
      const isReply = content._tag === "RedeemUrlReply"
      const mapped = isReply ? [content.ok, keys.get(content.replyKey), content.value] : params
      return Effect.flatMap(connect, (it) => it.say({ ...frame, ...(mapped !== undefined && { params: mapped }) }))
    }

    /** Makes our kernel want to say it, and hears it said. */
    const prompt = (expected: Entry["frame"]) =>
      Effect.gen(function* () {
        const content = contentOf(expected)
        if (content._tag === "Deliver") yield* handle.deliver(content.delivery)
        if (content._tag === "RedeemUrl") {
          const redeeming = handle.redeemOcapUrl(OcapUrl.OcapUrl.make(content.url))
          redemptions.push(yield* Effect.fork(Effect.either(redeeming)))
        }
        const heard = yield* hear
        const answer = contentOf(heard)
        if (content._tag === "RedeemUrl" && answer._tag === "RedeemUrl") keys.set(content.replyKey, answer.replyKey)
        const replyKey = content._tag === "RedeemUrl" ? { replyKey: keys.get(content.replyKey) } : {}
        assert.deepStrictEqual<object>(answer, { ...content, ...replyKey })
        assert.strictEqual(heard.seq, expected.seq)
        assert.strictEqual(heard.ack, expected.ack)
        sent = heard.seq ?? sent
        acknowledged = heard.ack ?? acknowledged
      })

    const expectAck = (ack: number) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("50 millis")
        // A message of ours may have said it already.
        if (acknowledged < ack) acknowledged = (yield* hear).ack ?? 0
        assert.strictEqual(acknowledged, ack)
      })

    for (const { frame, from } of entries) {
      if (from === "ocap-kernel") yield* say(frame)
      else if (frame.method === "handshake" || frame.method === "handshakeAck") {
        const heard = yield* hear
        assert.strictEqual(heard.method, frame.method)
        assert.isString(Reflect.get(Object(heard.params), "incarnationId"))
      } else if (frame.seq === undefined) yield* expectAck(frame.ack ?? 0)
      // The recording says one message twice to see it dropped; we say again only what was not acknowledged.
      else if (frame.seq > sent) yield* prompt(frame)
      yield* TestClock.adjust("1 millis")
    }
    const outcomes = yield* Effect.forEach(redemptions, (it) => Fiber.join(it))
    return { alice, handle, outcomes, acknowledged, line: yield* connect }
  })

const refusalIn = (outcome: Either.Either<string, unknown> | undefined): unknown =>
  outcome !== undefined && Either.isLeft(outcome) && outcome.left instanceof RedemptionRefusedError
    ? outcome.left.reason
    : undefined

const assertNothingPending = (kernel: Kernel) =>
  Effect.map(kernel.remotes.list, (all) =>
    assert.deepStrictEqual(
      all.map(({ pendingMessages }) => pendingMessages),
      [0]
    )
  )

describe("what was recorded of an ocap-kernel", () => {
  it.scoped("we open the stream: redemptions, a message, garbage collection, and its ACKs said twice", () =>
    Effect.gen(function* () {
      const { acknowledged, alice, outcomes } = yield* replay(scene("peer opens the stream"))
      assert.deepStrictEqual(outcomes[0], Either.right("ro+1"))
      assert.strictEqual(refusalIn(outcomes[1]), "ocapURL has bad object reference")
      assert.strictEqual(acknowledged, 2)
      yield* assertNothingPending(alice)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("it opens the stream, and what it sends again with the ACKs of old is taken once", () =>
    Effect.gen(function* () {
      const { acknowledged, alice, outcomes } = yield* replay(scene("ocap-kernel opens the stream"))
      assert.deepStrictEqual(bodiesOf(alice), ['#["one",[]]', '#["two",["$0"]]'])
      assert.strictEqual(refusalIn(outcomes[0]), "ocapURL has bad object reference")
      assert.strictEqual(acknowledged, 3)
      yield* assertNothingPending(alice)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("its three first messages: number 3, which comes alone, waits until its resend brings all", () =>
    Effect.gen(function* () {
      const entries = scene("ocap-kernel sends three messages at first contact")
      const { alice, line } = yield* replay(entries)
      const heard: Array<unknown> = []
      yield* Effect.forkScoped(Effect.forever(Effect.map(line.hear, (frame) => heard.push(frame))))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(bodiesOf(alice), [])
      assert.deepStrictEqual(heard, [], "its further handshakes have no answer, and the gap has no ACK")
      const last = entries.at(-1)?.frame
      const like = (seq: number) => ({
        ...last,
        seq,
        params: JSON.parse(
          JSON.stringify(last?.params).replace("m3", `m${seq}`).replace("rp+3", `rp+${seq}`)
        ) as unknown
      })
      yield* line.say(like(1), like(2), like(3))
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(bodiesOf(alice), ['#["m1",[]]', '#["m2",[]]', '#["m3",[]]'])
      assert.deepStrictEqual(heard, [{ ack: 3 }])
    }).pipe(Effect.provide(layerNetwork))
  )
})

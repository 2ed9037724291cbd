import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { StoreUnavailableError } from "../../../src/errors/StoreError.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import { OcapUrl } from "../../../src/protocol/OcapUrl.ts"
import type { RemoteHandleService } from "../../../src/services/RemoteHandle.ts"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import type { Line } from "../../support/basePeer.ts"
import { handshakeAck, ids, startBasePeer } from "../../support/basePeer.ts"
import type { KernelOptions } from "../../support/kernel.ts"
import { addressOf, startKernel } from "../../support/kernel.ts"

const url = OcapUrl.make(`ocap:zSecret@${ids.low}`)

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/** Takes the question that the kernel asks, and gives its number and reply key. */
const hearQuestion = (line: Line, expected = url) =>
  Effect.map(line.hear, (frame) => {
    assert(isRecord(frame) && isList(frame["params"]), "no frame with parameters")
    assert.strictEqual(frame["method"], "redeemURL")
    const [asked, replyKey] = frame["params"]
    assert.strictEqual(asked, expected)
    return { seq: Number(frame["seq"]), replyKey: String(replyKey) }
  })

const answer = (line: Line, seq: number, replyKey: string, value: string) =>
  line.say({ seq, method: "redeemURLReply", params: [true, replyKey, value] })

/** Alice asks a peer that is told what to answer, and when. */
const scene = (options: KernelOptions = {}) =>
  Effect.gen(function* () {
    const peer = yield* startBasePeer(ids.low)
    const start = Effect.gen(function* () {
      const alice = yield* startKernel("alice", options)
      return { alice, handle: yield* alice.remotes.get(peer.peerId, { hints: [addressOf(peer.peerId)] }) }
    })
    const accept = Effect.gen(function* () {
      const line = yield* peer.accept
      yield* line.hear
      yield* line.say(handshakeAck("i"))
      return line
    })
    return { peer, start, accept }
  })

const asking = (handle: RemoteHandleService, which = url) => Effect.fork(Effect.either(handle.redeemOcapUrl(which)))

/** Lets the kernel work on what it was told, without time passing. */
const settle = TestClock.adjust(0)

const stored = ({ alice }: Effect.Effect.Success<Effect.Effect.Success<ReturnType<typeof scene>>["start"]>) =>
  Effect.flatMap(alice.store.listRemotes, ([remote]) =>
    remote === undefined ? Effect.succeed([]) : alice.store.listRedemptions(remote.peerId)
  )

const rightOf = (fiber: Effect.Effect.Success<ReturnType<typeof asking>>) =>
  Effect.map(Fiber.join(fiber), (either) => (either._tag === "Right" ? either.right : either.left._tag))

describe("redemptions", () => {
  it.scoped("are on record with a digest of the URL until the answer is given, and no longer", () =>
    Effect.gen(function* () {
      const { accept, start } = yield* scene()
      const life = yield* start
      const fiber = yield* asking(life.handle)
      const line = yield* accept
      const { replyKey, seq } = yield* hearQuestion(line)
      const [record] = yield* stored(life)
      assert.strictEqual(record?.replyKey, replyKey)
      assert.match(replyKey, /^[0-9a-f]{32}$/)
      assert.match(record?.urlDigest ?? "", /^[0-9a-f]{64}$/)
      assert.isFalse(JSON.stringify(record).includes("zSecret"))
      yield* line.say({ seq: 1, ack: seq, method: "redeemURLReply", params: [true, replyKey, "ro+1"] })
      assert.strictEqual(yield* rightOf(fiber), "ro+1")
      assert.deepStrictEqual(yield* stored(life), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("go on after a crash of the asker: the answer to the old question serves the new one", () =>
    Effect.gen(function* () {
      const { accept, start } = yield* scene({ disk: RemoteStoreMemory.makeDisk() })
      const life = yield* start
      yield* asking(life.handle)
      const { replyKey } = yield* hearQuestion(yield* accept)
      yield* life.alice.crash
      yield* TestClock.adjust("10 seconds")

      const { handle } = yield* start
      const line = yield* accept
      const fiber = yield* asking(handle)
      assert.strictEqual((yield* hearQuestion(line)).replyKey, replyKey, "the old question, sent again")
      yield* answer(line, 1, replyKey, "ro+1")
      assert.strictEqual(yield* rightOf(fiber), "ro+1")
      const next = yield* asking(handle)
      const another = yield* hearQuestion(line)
      assert.deepStrictEqual([another.seq, another.replyKey === replyKey], [2, false])
      yield* Fiber.interrupt(next)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("answered before a crash, or before anybody asks after it, are answered from the record", () =>
    Effect.gen(function* () {
      const { accept, start } = yield* scene({ disk: RemoteStoreMemory.makeDisk() })
      const life = yield* start
      const fiber = yield* asking(life.handle)
      const { replyKey } = yield* hearQuestion(yield* accept)
      yield* Fiber.interrupt(fiber)
      yield* life.alice.crash
      const life2 = yield* start
      const line = yield* accept
      yield* hearQuestion(line)
      yield* line.say({ seq: 1, ack: 1, method: "redeemURLReply", params: [true, replyKey, "ro+1"] })
      yield* settle
      assert.deepStrictEqual(
        (yield* stored(life2)).map((it) => it.answer),
        [{ ok: true, value: "ro+1" }]
      )
      yield* life2.alice.crash
      const life3 = yield* start
      assert.strictEqual(yield* life3.handle.redeemOcapUrl(url), "ro+1")
      assert.deepStrictEqual(yield* stored(life3), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("share one question, and each who asks has the whole time", () =>
    Effect.gen(function* () {
      const { accept, start } = yield* scene()
      const { handle } = yield* start
      const first = yield* asking(handle)
      const line = yield* accept
      const { replyKey, seq } = yield* hearQuestion(line)
      yield* line.say({ ack: seq })
      yield* TestClock.adjust("39 seconds")
      const second = yield* asking(handle)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* rightOf(first), "RedemptionTimeoutError")
      yield* TestClock.adjust("38 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(second)))
      yield* answer(line, 1, replyKey, "ro+1")
      assert.strictEqual(yield* rightOf(second), "ro+1")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("answered in another order than they were asked in each settle their own; no key can be guessed", () =>
    Effect.gen(function* () {
      const other = OcapUrl.make(`ocap:zOther@${ids.low}`)
      const { accept, start } = yield* scene()
      const { handle } = yield* start
      const first = yield* asking(handle)
      const line = yield* accept
      const one = yield* hearQuestion(line)
      const second = yield* asking(handle, other)
      const two = yield* hearQuestion(line, other)
      for (const { replyKey } of [one, two]) assert.match(replyKey, /^[0-9a-f]{32}$/)
      assert.notStrictEqual(one.replyKey, two.replyKey)
      yield* answer(line, 1, two.replyKey, "ro+2")
      yield* answer(line, 2, one.replyKey, "ro+1")
      assert.deepStrictEqual([yield* rightOf(first), yield* rightOf(second)], ["ro+1", "ro+2"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that are over are asked anew; a late answer settles nobody, and leaves no record", () =>
    Effect.gen(function* () {
      const { accept, start } = yield* scene({ disk: RemoteStoreMemory.makeDisk() })
      const life = yield* start
      const first = yield* asking(life.handle)
      const { replyKey } = yield* hearQuestion(yield* accept)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      yield* life.alice.crash
      yield* TestClock.adjust("39 seconds")
      const life2 = yield* start
      const line = yield* accept
      yield* hearQuestion(line)
      yield* answer(line, 1, replyKey, "too late")
      yield* settle
      assert.deepStrictEqual(yield* stored(life2), [])
      const second = yield* asking(life2.handle)
      const other = yield* hearQuestion(line)
      assert.notStrictEqual(other.replyKey, replyKey)
      yield* answer(line, 2, replyKey, "not this one")
      yield* settle
      assert.isTrue(Option.isNone(yield* Fiber.poll(second)))
      yield* answer(line, 3, other.replyKey, "ro+2")
      assert.strictEqual(yield* rightOf(second), "ro+2")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("go off the record with the conversation", () =>
    Effect.gen(function* () {
      const { accept, start } = yield* scene()
      const life = yield* start
      const fiber = yield* asking(life.handle)
      yield* hearQuestion(yield* accept)
      yield* life.handle.giveUp("enough")
      assert.strictEqual(yield* rightOf(fiber), "GivenUpError")
      assert.deepStrictEqual(yield* stored(life), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("fail at once when the peer turns out to have lost its memory", () =>
    Effect.gen(function* () {
      const { accept, peer, start } = yield* scene()
      const life = yield* start
      const fiber = yield* asking(life.handle)
      yield* hearQuestion(yield* accept)
      const reborn = yield* peer.dial(life.alice.peerId)
      yield* reborn.say({ method: "handshake", params: { incarnationId: "j" } })
      yield* settle
      assert.isNotNull(fiber.unsafePoll())
      assert.strictEqual(yield* rightOf(fiber), "PeerRestartedError")
      assert.deepStrictEqual(yield* stored(life), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("take their answer with its receipt: what the store did not take comes again", () =>
    Effect.gen(function* () {
      let failures = 0
      const disk = RemoteStoreMemory.makeDisk({
        onCall: (operation) => {
          if (operation !== "commit" || failures !== 1) return Effect.void
          failures += 1
          return new StoreUnavailableError({ operation, reason: "Busy" })
        }
      })
      const { accept, start } = yield* scene({ disk })
      const life = yield* start
      const fiber = yield* asking(life.handle)
      const line = yield* accept
      const { replyKey } = yield* hearQuestion(line)
      failures = 1
      yield* line.say({ seq: 1, ack: 1, method: "redeemURLReply", params: [true, replyKey, "ro+1"] })
      yield* settle
      assert.strictEqual(failures, 2)
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* rightOf(fiber), "ro+1")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("are bounded in number for each peer", () =>
    Effect.gen(function* () {
      const { start } = yield* scene()
      const { handle } = yield* start
      const ask = (index: number) =>
        Effect.fork(Effect.flip(handle.redeemOcapUrl(OcapUrl.make(`ocap:z${index}@${ids.low}`))))
      yield* Effect.forEach(
        Array.from({ length: 1000 }, (_, index) => index),
        ask
      )
      yield* settle
      const error = yield* Fiber.join(yield* ask(1000))
      assert(error._tag === "ResourceLimitError")
      assert.deepStrictEqual([error.limit, error.current, error.max], ["redemptions", 1000, 1000])
    }).pipe(Effect.provide(layerNetwork))
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../src/testing/Network.ts"
import type { Line } from "../support/basePeer.ts"
import { handshake, ids, startBasePeer } from "../support/basePeer.ts"
import type { Kernel, KernelOptions } from "../support/kernel.ts"
import { bodiesOf, message, numbered, startKernel } from "../support/kernel.ts"

const said = (seq: number, ack?: number) => ({
  seq,
  ...(ack !== undefined && { ack }),
  method: "deliver",
  params: ["message", "ro-1", { methargs: { body: String(seq), slots: [] }, result: "rp+1" }]
})

/** Alice, and a peer of the base profile that has dialed her. */
const start = Effect.fnUntraced(function* (options: KernelOptions = {}) {
  const alice = yield* startKernel("alice", options)
  const peer = yield* startBasePeer(ids.low)
  const line = yield* peer.dial(alice.peerId)
  yield* line.say(handshake("i"))
  yield* line.hear
  return { alice, peer, line }
})

/** What alice says from now on. */
const listen = (line: Line) =>
  Effect.gen(function* () {
    const heard: Array<unknown> = []
    yield* Effect.forkScoped(Effect.forever(Effect.map(line.hear, (frame) => heard.push(frame))))
    return heard
  })

const letters = (kernel: Kernel) =>
  Effect.map(kernel.store.listDeadLetters({ afterId: 0, limit: 10 }), (all) =>
    all.map(({ detail, reason, seq }) => `${seq} ${reason}: ${detail}`)
  )

const statusOf = (kernel: Kernel, peer: { readonly peerId: Kernel["peerId"] }) =>
  Effect.flatMap(kernel.remotes.get(peer.peerId), (handle) => handle.status)

describe("a hole in the numbers of a peer of the base profile", () => {
  it.scoped("is waited for, never acknowledged, and passed on record after 15 s, not before", () =>
    Effect.gen(function* () {
      const { alice, line, peer } = yield* start()
      const heard = yield* listen(line)
      yield* line.say(said(1), said(4), said(5))
      yield* TestClock.adjust("14999 millis")
      assert.deepStrictEqual(bodiesOf(alice), ["1"])
      assert.deepStrictEqual(heard, [{ ack: 1 }])
      assert.strictEqual((yield* statusOf(alice, peer)).lostByPeer, 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(bodiesOf(alice), ["1", "4", "5"])
      assert.deepStrictEqual(yield* letters(alice), ["2 LostByPeer: messages 2 to 3 never came"])
      assert.strictEqual((yield* statusOf(alice, peer)).lostByPeer, 2)
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(heard, [{ ack: 1 }, { ack: 5 }])
      // What comes after all is on record as lost, and so it is not taken.
      yield* line.say(said(2), said(6))
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(bodiesOf(alice), ["1", "4", "5", "6"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is waited for anew when anything was taken, because the peer counts from that ACK", () =>
    Effect.gen(function* () {
      const { alice, line } = yield* start()
      yield* line.say(said(2), said(4))
      yield* TestClock.adjust("14 seconds")
      yield* line.say(said(1))
      yield* TestClock.adjust("14999 millis")
      assert.deepStrictEqual(bodiesOf(alice), ["1", "2"])
      yield* line.say(said(3))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(bodiesOf(alice), ["1", "2", "3", "4"])
      assert.deepStrictEqual(yield* letters(alice), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is no hole while the missing message waits behind a slow kernel", () =>
    Effect.gen(function* () {
      const slow = yield* Deferred.make<void>()
      const { alice, line } = yield* start({ onReceive: () => Deferred.await(slow) })
      yield* line.say(said(3))
      yield* TestClock.adjust("14 seconds")
      yield* line.say(said(1))
      yield* TestClock.adjust("500 millis")
      yield* line.say(said(2))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(bodiesOf(alice), [])
      yield* Deferred.succeed(slow, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(alice), ["1", "2", "3"])
      assert.deepStrictEqual(yield* letters(alice), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is as long as gapTimeout says, and begins anew with each channel", () =>
    Effect.gen(function* () {
      const { alice, line, peer } = yield* start({ config: { gapTimeout: "5 seconds" } })
      yield* line.say(said(2))
      yield* TestClock.adjust("4 seconds")
      yield* line.channel.abort(new Error("cut"))
      yield* TestClock.adjust("1 millis")
      const again = yield* peer.dial(alice.peerId)
      yield* again.say(handshake("i"))
      yield* again.hear
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(bodiesOf(alice), [])
      yield* again.say(said(2))
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(bodiesOf(alice), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(bodiesOf(alice), ["2"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("holds at most 256 messages behind it, and the resend brings the others", () =>
    Effect.gen(function* () {
      const { alice, line } = yield* start()
      const all = Array.from({ length: 400 }, (_, index) => said(index + 1))
      yield* line.say(...all.slice(1))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(alice), [])
      yield* line.say(said(1))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(alice), numbered(1, 257))
      yield* line.say(...all.slice(257))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(alice), numbered(1, 400))
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("keeps ACKs that say nothing new off our messages, so that they cannot put off its resend", () =>
    Effect.gen(function* () {
      const { alice, line, peer } = yield* start()
      const heard = yield* listen(line)
      yield* line.say(said(1))
      yield* TestClock.adjust("50 millis")
      yield* line.say(said(3))
      yield* TestClock.adjust("1 second")
      const handle = yield* alice.remotes.get(peer.peerId)
      yield* handle.deliver({ _tag: "BringOutYourDead" })
      yield* TestClock.adjust("1 second")
      yield* line.say(said(2))
      yield* TestClock.adjust("1 millis")
      yield* handle.deliver({ _tag: "BringOutYourDead" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(heard, [
        { ack: 1 },
        { seq: 1, method: "deliver", params: ["bringOutYourDead"] },
        { seq: 2, ack: 3, method: "deliver", params: ["bringOutYourDead"] }
      ])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("of a stranger's that is followed by nonsense leaves no record", () =>
    Effect.gen(function* () {
      const { alice, line } = yield* start()
      yield* line.say({ seq: 9, method: "nonsense", params: [] })
      yield* TestClock.adjust("16 seconds")
      assert.deepStrictEqual(yield* alice.store.listRemotes, [])
      assert.deepStrictEqual(yield* letters(alice), [])
      assert.strictEqual(yield* (yield* Network).openChannels(), 0)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("stays a violation between two of ours", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const peer = yield* startBasePeer(ids.low)
      const line = yield* peer.dial(alice.peerId)
      const session = { with: null, epoch: 0, received: 0, sent: 0, acknowledged: 0, base: 1, next: 1 }
      const extensions = { session, channel: { process: "p", dial: 1, after: null } }
      yield* line.say({ method: "handshake", params: { incarnationId: "i", extensions } })
      yield* line.hear
      yield* line.say(said(1), said(3))
      yield* line.channel.ended
      assert.deepStrictEqual(bodiesOf(alice), ["1"])
      assert.strictEqual((yield* statusOf(alice, peer)).lostByPeer, 0)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("a peer of the base profile", () => {
  it.scoped("that says an old ACK again, with a repeated message or alone, takes nothing back", () =>
    Effect.gen(function* () {
      const { alice, line, peer } = yield* start()
      yield* line.say(said(1))
      yield* TestClock.adjust("50 millis")
      const handle = yield* alice.remotes.get(peer.peerId)
      const receipts = yield* Effect.forEach(numbered(1, 3), (body) => handle.deliver(message(body)))
      yield* TestClock.adjust("1 millis")
      yield* line.say(said(2, 1), { ack: 3 }, said(2, 1), { ack: 1 }, said(1), said(3, 2))
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(receipts, ({ acknowledged }) => acknowledged)
      assert.deepStrictEqual(bodiesOf(alice), ["1", "2", "3"])
      assert.deepInclude(yield* handle.status, { acknowledgedSeq: 3, pendingMessages: 0, receivedSeq: 3, resent: 0 })
      assert.strictEqual(yield* (yield* Network).openChannels(), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that lost its memory is forgotten once, in however many streams it says so at once", () =>
    Effect.gen(function* () {
      const { alice, line, peer } = yield* start()
      yield* line.say(said(1))
      yield* TestClock.adjust("50 millis")
      const handle = yield* alice.remotes.get(peer.peerId)
      const pending = yield* handle.deliver(message("never"))
      const lost = yield* Effect.fork(Effect.flip(pending.acknowledged))
      yield* line.channel.abort(new Error("its process is gone"))
      for (let streams = 0; streams < 3; streams += 1) yield* (yield* peer.dial(alice.peerId)).say(handshake("i2"))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(lost))._tag, "PeerRestartedError")
      const next = yield* peer.dial(alice.peerId)
      yield* next.say(handshake("i2"))
      yield* next.hear
      const heard = yield* listen(next)
      const again = yield* handle.deliver(message("new"))
      assert.strictEqual(again.seq, 1)
      // Nobody acknowledges what has not been sent.
      yield* TestClock.adjust("1 millis")
      yield* next.say(said(1), { ack: 1 })
      yield* TestClock.adjust("1 second")
      yield* again.acknowledged
      assert.deepStrictEqual(bodiesOf(alice), ["1", "1"])
      assert.deepInclude(heard[0], { seq: 1 })
      assert.strictEqual(alice.forgotten.length, 1)
    }).pipe(Effect.provide(layerNetwork))
  )
})

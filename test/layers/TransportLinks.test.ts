import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { LinkState } from "../../src/services/Transport.ts"
import { layer as layerNetwork, Network } from "../../src/testing/Network.ts"
import { handshakeAck, ids, startBasePeer } from "../support/basePeer.ts"
import { addressOf, bodiesOf, handleFor, message, numbered, sendAll, startKernel } from "../support/kernel.ts"
import type { Kernel } from "../support/kernel.ts"

const linkOf = (kernel: Kernel, peer: { readonly peerId: Kernel["peerId"] }) =>
  Effect.orDie(kernel.transport.link(peer.peerId))

const stateOf = (kernel: Kernel, peer: { readonly peerId: Kernel["peerId"] }) =>
  Effect.flatMap(linkOf(kernel, peer), (link) => link.state)

/** Waits until the link does this. */
const until = <Tag extends LinkState["_tag"]>(kernel: Kernel, peer: { readonly peerId: Kernel["peerId"] }, tag: Tag) =>
  Effect.flatMap(linkOf(kernel, peer), (link) =>
    link.changes.pipe(
      Stream.filter((state): state is Extract<LinkState, { _tag: Tag }> => state._tag === tag),
      Stream.runHead,
      Effect.flatten,
      Effect.orDie
    )
  )

const connect = Effect.fnUntraced(function* (alice: Kernel, bob: Kernel) {
  const handle = yield* handleFor(alice, bob)
  const receipt = yield* handle.deliver(message("hello"))
  yield* receipt.acknowledged
  return handle
})

describe("TransportLinks", () => {
  it.scoped("lets a silent stream go at the inactivity limit, and not before", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* connect(alice, bob)
      yield* TestClock.adjust("119999 millis")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Open")
      yield* TestClock.adjust("1 millis")
      const state = yield* stateOf(alice, bob)
      assert(state._tag === "Idle")
      assert.strictEqual(state.error?._tag, "StreamInactivityTimeoutError")
      assert.strictEqual(yield* (yield* Network).openChannels(), 0)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("never lets the inactivity limit fall below its floor of 5 s", () =>
    Effect.gen(function* () {
      const config = { streamInactivityTimeout: "1 second" } as const
      const alice = yield* startKernel("alice", { config })
      const bob = yield* startKernel("bob", { config })
      yield* connect(alice, bob)
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Open")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Idle")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("traffic in either direction puts the inactivity limit off", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* connect(alice, bob)
      yield* TestClock.adjust("100 seconds")
      yield* Effect.flatMap(handle.deliver(message("again")), (receipt) => receipt.acknowledged)
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Open")
      assert.strictEqual((yield* stateOf(bob, alice))._tag, "Open")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Idle")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a message after the stream was let go opens a new one and arrives", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { streamInactivityTimeout: "6 seconds" } })
      const bob = yield* startKernel("bob", { config: { streamInactivityTimeout: "6 seconds" } })
      const handle = yield* connect(alice, bob)
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Idle")
      const receipt = yield* handle.deliver(message("later"))
      const fiber = yield* Effect.fork(receipt.acknowledged)
      yield* TestClock.adjust("1 second")
      yield* fiber
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "later"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("gives a peer that never answers its handshake 10 s", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const mute = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(mute.peerId, { hints: [addressOf(mute.peerId)] })
      yield* handle.deliver(message("hello"))
      const line = yield* mute.accept
      yield* line.hear
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual((yield* stateOf(alice, mute))._tag, "Handshaking")
      const backingOff = yield* Effect.fork(until(alice, mute, "BackingOff"))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(backingOff)).error._tag, "HandshakeTimeoutError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("gives a peer that takes nothing of a write 10 s", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const stuffed = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(stuffed.peerId, { hints: [addressOf(stuffed.peerId)] })
      yield* sendAll(handle, Array(4).fill("x".repeat(900_000)))
      const line = yield* stuffed.accept
      yield* line.hear
      const open = yield* Effect.fork(until(alice, stuffed, "Open"))
      yield* line.say(handshakeAck("stuffed"))
      yield* Fiber.join(open)
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual((yield* stateOf(alice, stuffed))._tag, "Open")
      const backingOff = yield* Effect.fork(until(alice, stuffed, "BackingOff"))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(backingOff)).error._tag, "WriteTimeoutError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("keeps one channel, and reports no loss, when both sides dial at once", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* network.delay("all", "all", { latency: "20 millis" })
      const states: Array<string> = []
      for (const [kernel, other] of [
        [alice, bob],
        [bob, alice]
      ] as const) {
        const link = yield* linkOf(kernel, other)
        yield* Effect.forkScoped(Stream.runForEach(link.changes, ({ _tag }) => Effect.sync(() => states.push(_tag))))
      }
      const handles = yield* Effect.all([handleFor(alice, bob), handleFor(bob, alice)])
      const receipts = yield* Effect.forEach(handles, (handle) => sendAll(handle, numbered(1, 20)), {
        concurrency: "unbounded"
      })
      const fiber = yield* Effect.fork(Effect.forEach(receipts.flat(), (receipt) => receipt.acknowledged))
      yield* TestClock.adjust("2 seconds")
      yield* fiber
      assert.deepStrictEqual(bodiesOf(alice), numbered(1, 20))
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 20))
      assert.strictEqual(yield* network.openChannels(), 1)
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
      assert.strictEqual(yield* network.dials(bob.peerId, alice.peerId), 1)
      assert.notInclude(states, "BackingOff")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("dials again with growing pauses while the peer refuses, and is there when it comes back", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* network.refuse(bob.peerId)
      const handle = yield* handleFor(alice, bob)
      const receipt = yield* handle.deliver(message("hello"))
      yield* TestClock.adjust("3 minutes")
      const state = yield* stateOf(alice, bob)
      assert(state._tag === "BackingOff")
      assert.isTrue(state.permanent)
      const dials = yield* network.dials(alice.peerId, bob.peerId)
      // Full jitter, first under a cap of 10 s and then, always refused, under one of 30 s: about 17 dials.
      assert.isAbove(dials, 9)
      assert.isBelow(dials, 31)
      yield* network.welcome(bob.peerId)
      const fiber = yield* Effect.fork(receipt.acknowledged)
      yield* TestClock.adjust("30 seconds")
      yield* fiber
      assert.deepStrictEqual(bodiesOf(bob), ["hello"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("closes on purpose, refuses the peer, and comes back when told to", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* connect(alice, bob)
      yield* alice.transport.closeConnection(bob.peerId)
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Closed")
      const fromBob = yield* handleFor(bob, alice)
      const refused = yield* fromBob.deliver(message("let me in"))
      const receipt = yield* handle.deliver(message("held back"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Closed")
      assert.deepStrictEqual(bodiesOf(alice), [])
      yield* alice.transport.reconnectPeer(bob.peerId)
      const fiber = yield* Effect.fork(Effect.zipRight(receipt.acknowledged, refused.acknowledged))
      yield* TestClock.adjust("20 seconds")
      yield* fiber
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "held back"])
      assert.deepStrictEqual(bodiesOf(alice), ["let me in"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("leaves nothing open when the kernels stop", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* connect(alice, bob)
      yield* alice.stop
      yield* bob.stop
      assert.isTrue(yield* network.isIdle)
    }).pipe(Effect.provide(layerNetwork))
  )
})

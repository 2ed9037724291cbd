import { assert, describe, it } from "@effect/vitest"
import { queryObjects } from "node:v8"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import { End } from "../../../src/internal/memoryChannel.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { handshakeAck, ids, startBasePeer } from "../../support/basePeer.ts"
import { addressOf, bodiesOf, handleFor, message, sendAll, startKernel } from "../../support/kernel.ts"
import { connect, linkOf, stateOf, until } from "../../support/link.ts"

describe("Transport.closeConnection", () => {
  it.scoped("the peer sees a clean end at once, and nothing that it says afterwards is heard", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* connect(alice, bob)
      const toAlice = yield* handleFor(bob, alice)
      yield* Effect.flatMap(toAlice.deliver(message("heard")), (receipt) => receipt.acknowledged)
      yield* alice.transport.closeConnection(bob.peerId)
      yield* TestClock.adjust("0 millis")
      const state = yield* stateOf(bob, alice)
      assert.notStrictEqual(state._tag, "Open")
      const ends = (yield* network.log).filter(({ event }) => event === "ended").map(({ detail }) => detail)
      assert.deepStrictEqual(ends, ["closed", "closed"])
      yield* toAlice.deliver(message("not heard"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(bodiesOf(alice), ["heard"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("interrupts a dial under way", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* network.hang(bob.peerId)
      yield* Effect.flatMap(handleFor(alice, bob), (handle) => handle.deliver(message("hello")))
      yield* until(alice, bob, "Dialing")
      assert.isFalse(yield* network.isIdle)
      yield* alice.transport.closeConnection(bob.peerId)
      assert.isTrue(yield* network.isIdle)
      yield* network.welcome(bob.peerId)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Closed")
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is over where the link is forgotten before it came to that", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* connect(alice, bob)
      const { closeConnection, forget } = alice.transport
      yield* Effect.all([closeConnection(bob.peerId), forget(bob.peerId)], { concurrency: "unbounded", discard: true })
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("interrupts a handshake under way, whoever opened the stream", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const mute = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(mute.peerId, { hints: [addressOf(mute.peerId)] })
      yield* handle.deliver(message("hello"))
      const line = yield* mute.accept
      yield* line.hear
      const silent = yield* mute.dial(alice.peerId)
      yield* alice.transport.closeConnection(mute.peerId)
      assert.isTrue(yield* Effect.isFailure(line.channel.receive))
      yield* silent.say({ method: "handshake", params: { incarnationId: "i" } })
      assert.isTrue(yield* Effect.isFailure(silent.channel.receive))
      assert.strictEqual((yield* stateOf(alice, mute))._tag, "Closed")
      assert.strictEqual(yield* network.openChannels(), 0)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a write under way fails within 1 s, and the peer that took nothing sees the end", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const stuffed = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(stuffed.peerId, { hints: [addressOf(stuffed.peerId)] })
      yield* sendAll(handle, Array(4).fill("x".repeat(900_000)))
      const line = yield* stuffed.accept
      yield* line.hear
      const opened = yield* Effect.fork(until(alice, stuffed, "Open"))
      yield* line.say(handshakeAck("stuffed"))
      yield* Fiber.join(opened)
      const link = yield* linkOf(alice, stuffed)
      const writing = yield* Effect.fork(Effect.flip(link.send(1, new Uint8Array(1_000_000))))
      const closing = yield* Effect.fork(alice.transport.closeConnection(stuffed.peerId))
      yield* TestClock.adjust("999 millis")
      assert.isTrue((yield* Fiber.poll(writing))._tag === "None")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(writing))._tag, "IntentionalCloseError")
      yield* Fiber.join(closing)
      assert.strictEqual(line.channel.status(), "reset")
      assert.strictEqual((yield* Effect.flip(link.send(1, new Uint8Array(1))))._tag, "IntentionalCloseError")
      assert.strictEqual((yield* handle.status).pendingMessages, 4)
    }).pipe(Effect.provide(layerNetwork))
  )
})

/** What is still in memory, reachable from anything: a listener or an entry in a map that is left behind holds on to it. */
const objects = Effect.withFiberRuntime<{ readonly channels: number; readonly fibers: number }>((fiber) =>
  Effect.sync(() => ({
    channels: queryObjects(End, { format: "count" }),
    fibers: queryObjects(fiber.constructor, { format: "count" })
  }))
)

describe("Transport: a thousand lives of a link", () => {
  it.scoped(
    "leave no fiber, timer, channel or map entry behind",
    () =>
      Effect.gen(function* () {
        const network = yield* Network
        const supervisor = yield* Supervisor.track
        const config = {
          reconnectBaseDelay: "1 millis",
          reconnectMaxDelay: "1 millis",
          maxConnectionAttemptsPerMinute: 1_000_000,
          maxHandshakesPerMinute: 1_000_000
        } as const
        const alice = yield* Effect.supervised(startKernel("alice", { config }), supervisor)
        const bob = yield* Effect.supervised(startKernel("bob", { config }), supervisor)
        const handle = yield* connect(alice, bob)
        const fibers = Effect.zipRight(
          TestClock.adjust("1 second"),
          Effect.map(supervisor.value, ({ length }) => length)
        )
        const before = yield* fibers
        const retained = yield* objects
        for (let life = 1; life <= 1000; life += 1) {
          if (life % 10 === 0) {
            yield* alice.transport.closeConnection(bob.peerId)
            yield* alice.transport.reconnectPeer(bob.peerId)
          } else if (life % 2 === 0) yield* network.reset(alice.peerId, bob.peerId)
          else yield* network.cut(alice.peerId, bob.peerId)
          const receipt = yield* handle.deliver(message(String(life)))
          yield* receipt.acknowledged
        }
        assert.strictEqual(bodiesOf(bob).length, 1001)
        assert.strictEqual(yield* network.openChannels(), 1)
        assert.strictEqual(yield* fibers, before)
        assert.deepStrictEqual(yield* objects, retained)
        yield* alice.stop
        yield* bob.stop
        assert.isTrue(yield* network.isIdle)
        assert.deepStrictEqual([yield* alice.transport.peers, yield* bob.transport.peers], [[], []])
        assert.strictEqual(yield* fibers, 0)
      }).pipe(Effect.provide(layerNetwork)),
    180_000
  )
})

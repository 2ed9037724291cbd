import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { handshake, ids, startBasePeer } from "../../support/basePeer.ts"
import { addressOf, bodiesOf, handleFor, message, numbered, sendAll, startKernel } from "../../support/kernel.ts"
import { connect, stateOf } from "../../support/link.ts"

const impatient = { reconnectBaseDelay: "1 millis", reconnectMaxDelay: "1 millis" } as const

describe("Transport limits: connections", () => {
  it.scoped("dials nobody beyond the limit, says so, and dials as soon as there is room", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", { config: { maxConcurrentConnections: 1 } })
      const bob = yield* startKernel("bob")
      const carol = yield* startKernel("carol")
      yield* connect(alice, bob)
      const receipt = yield* Effect.flatMap(handleFor(alice, carol), (handle) => handle.deliver(message("to carol")))
      yield* TestClock.adjust("1 second")
      const state = yield* stateOf(alice, carol)
      assert(state._tag === "BackingOff" && state.error._tag === "ResourceLimitError")
      assert.deepInclude(state.error, { limit: "connections", current: 1, max: 1 })
      assert.strictEqual(yield* network.dials(alice.peerId, carol.peerId), 0)
      yield* alice.transport.closeConnection(bob.peerId)
      const arrived = yield* Effect.fork(receipt.acknowledged)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(arrived)
      assert.strictEqual(yield* network.dials(alice.peerId, carol.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("refuses a peer beyond the limit unread, also while the one place is taken by a handshake", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const bob = yield* startKernel("bob", { config: { maxConcurrentConnections: 1 } })
      const mute = yield* startBasePeer(ids.low)
      const line = yield* mute.dial(bob.peerId)
      const alice = yield* startKernel("alice", { config: impatient })
      const receipt = yield* Effect.flatMap(handleFor(alice, bob), (handle) => handle.deliver(message("let me in")))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* bob.transport.peers, [])
      assert.strictEqual(yield* network.bytes(bob.peerId, alice.peerId), 0)
      yield* line.channel.close
      const arrived = yield* Effect.fork(receipt.acknowledged)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(arrived)
      assert.deepStrictEqual(bodiesOf(bob), ["let me in"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("needs no further place to replace a peer's own channel", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const config = { ...impatient, maxConcurrentConnections: 1 }
      const alice = yield* startKernel("alice", { config })
      const bob = yield* startKernel("bob", { config })
      for (let round = 1; round <= 3; round += 1) {
        const handles = yield* Effect.all([handleFor(alice, bob), handleFor(bob, alice)])
        const receipts = yield* Effect.forEach(handles, (handle) => handle.deliver(message(String(round))), {
          concurrency: "unbounded"
        })
        const arrived = yield* Effect.fork(Effect.forEach(receipts, ({ acknowledged }) => acknowledged))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(arrived)
        assert.strictEqual(yield* network.openChannels(), 1)
        yield* network.cut(alice.peerId, bob.peerId)
      }
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("Transport limits: dials", () => {
  it.scoped("dials a peer ten times at once at most, and then every 6 s, for ever", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", { config: impatient })
      const bob = yield* startKernel("bob")
      yield* network.refuse(bob.peerId, "ETIMEDOUT")
      yield* Effect.flatMap(handleFor(alice, bob), (handle) => handle.deliver(message("hello")))
      const dials = network.dials(alice.peerId, bob.peerId)
      yield* TestClock.adjust("5999 millis")
      assert.strictEqual(yield* dials, 10)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* dials, 11)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* dials, 111)
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "BackingOff")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("reconnectPeer and new hints do not wait for their turn, and known hints change nothing", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", { config: { ...impatient, maxConnectionAttemptsPerMinute: 1 } })
      const bob = yield* startKernel("bob")
      yield* network.refuse(bob.peerId, "ETIMEDOUT")
      yield* Effect.flatMap(handleFor(alice, bob), (handle) => handle.deliver(message("hello")))
      const dials = Effect.zipRight(TestClock.adjust("1 millis"), network.dials(alice.peerId, bob.peerId))
      assert.strictEqual(yield* dials, 1)
      yield* alice.transport.registerLocationHints(bob.peerId, [addressOf(bob.peerId)])
      assert.strictEqual(yield* dials, 1)
      yield* alice.transport.registerLocationHints(bob.peerId, [`/memory/other/p2p/${bob.peerId}`])
      assert.strictEqual(yield* dials, 2)
      yield* alice.transport.reconnectPeer(bob.peerId)
      assert.strictEqual(yield* dials, 3)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("Transport limits: messages", () => {
  it.scoped("paces what is written, and exempts acknowledgements", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxMessagesPerSecond: 10 } })
      const bob = yield* startKernel("bob")
      const receipts = yield* sendAll(yield* handleFor(alice, bob), numbered(1, 30))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 10))
      const handle = yield* handleFor(bob, alice)
      yield* Effect.flatMap(handle.deliver(message("and you?")), (receipt) => receipt.acknowledged)
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 10))
      yield* TestClock.adjust("98 millis")
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 10))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 11))
      yield* TestClock.adjust("901 millis")
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 20))
      const arrived = yield* Effect.fork(Effect.forEach(receipts, ({ acknowledged }) => acknowledged))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(arrived)
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 30))
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("takes 150 at once at first contact under a limit of 100 a second, and brings all of them", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", { config: { maxMessagesPerSecond: 100 } })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      const receipts = yield* Effect.all(
        numbered(1, 150).map((body) => handle.deliver(message(body))),
        { concurrency: "unbounded" }
      )
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 100))
      const arrived = yield* Effect.fork(Effect.forEach(receipts, ({ acknowledged }) => acknowledged))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(arrived)
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 150))
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  for (const config of [{ maxInboundBytesPerSecond: 262_144 }, { maxInboundMessagesPerSecond: 4 }]) {
    it.scoped(`holds back a peer beyond ${Object.keys(config).join()}, and loses nothing of it`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const alice = yield* startKernel("alice")
        const bob = yield* startKernel("bob", { config })
        const bodies = numbered(1, 40).map((number) => number.padEnd(65_000, "."))
        const receipts = yield* sendAll(yield* handleFor(alice, bob), bodies)
        yield* TestClock.adjust("2 seconds")
        assert.isAbove(bodiesOf(bob).length, 5)
        assert.isBelow(bodiesOf(bob).length, 20)
        const arrived = yield* Effect.fork(Effect.forEach(receipts, ({ acknowledged }) => acknowledged))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(arrived)
        assert.deepStrictEqual(bodiesOf(bob), bodies)
        assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
      }).pipe(Effect.provide(layerNetwork))
    )
  }

  it.scoped("a peer that is held back for longer than any silence may last takes it for no dead path", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { config: { maxInboundBytesPerSecond: 32_768 } })
      const bodies = numbered(1, 8).map((number) => number.padEnd(65_000, "."))
      const receipts = yield* sendAll(yield* handleFor(alice, bob), bodies)
      const arrived = yield* Effect.fork(Effect.forEach(receipts, ({ acknowledged }) => acknowledged))
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(arrived)
      assert.deepStrictEqual(bodiesOf(bob), bodies)
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("Transport limits: what one peer may open", () => {
  it.scoped("refuses handshakes beyond the limit unread, and takes the next when its time has come", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxHandshakesPerMinute: 3 } })
      const peer = yield* startBasePeer(ids.low)
      const knock = Effect.gen(function* () {
        const line = yield* peer.dial(alice.peerId)
        yield* Effect.ignore(Effect.sandbox(line.say(handshake("i"))))
        const answered = yield* Effect.isSuccess(line.channel.receive)
        yield* line.channel.close
        yield* TestClock.adjust("1 millis")
        return answered
      })
      assert.deepStrictEqual(yield* Effect.all([knock, knock, knock, knock]), [true, true, true, false])
      yield* TestClock.adjust("19995 millis")
      assert.isFalse(yield* knock)
      assert.isTrue(yield* knock)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("refuses streams beyond the limit, until one of the others has ended", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxStreamsPerPeer: 2 } })
      const peer = yield* startBasePeer(ids.low)
      const lines = yield* Effect.replicateEffect(peer.dial(alice.peerId), 3)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(
        lines.map(({ channel }) => channel.status()),
        ["open", "open", "reset"]
      )
      yield* lines[0]?.channel.close ?? Effect.void
      yield* TestClock.adjust("1 millis")
      const another = yield* peer.dial(alice.peerId)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(another.channel.status(), "open")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("ends conversations at the word of a peer that it restarted only so often", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxIncarnationChangesPerMinute: 2 } })
      const peer = yield* startBasePeer(ids.low)
      const live = (incarnation: string) =>
        Effect.gen(function* () {
          const line = yield* peer.dial(alice.peerId)
          yield* line.say(handshake(incarnation))
          yield* Effect.ignore(line.channel.receive)
          yield* Effect.ignore(Effect.sandbox(line.say({ seq: 1, method: "deliver", params: ["bringOutYourDead"] })))
          yield* TestClock.adjust("100 millis")
          yield* line.channel.close
        })
      yield* live("a")
      // A base peer is heard again only after the handshake that follows the one that told of its new life.
      for (const incarnation of ["b", "b", "c", "c", "d", "d"]) yield* live(incarnation)
      assert.strictEqual(alice.forgotten.length, 2)
      yield* TestClock.adjust("30 seconds")
      yield* live("d")
      assert.strictEqual(alice.forgotten.length, 3)
    }).pipe(Effect.provide(layerNetwork))
  )
})

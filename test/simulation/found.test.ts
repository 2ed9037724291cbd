/** What crash and fault tests found, at the lowest layer that shows it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../src/testing/Network.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import { DeliveryRefused, KernelBusy } from "../../src/services/KernelPort.ts"
import { handshake, ids, startBasePeer } from "../support/basePeer.ts"
import type { Kernel } from "../support/kernel.ts"
import { addressOf, bodiesOf, bodyOf, handleFor, message, numbered, sendAll, startKernel } from "../support/kernel.ts"

describe("deliver", () => {
  it.scoped("that waits for room goes on when a handshake acknowledges what took it", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", { config: { maxPendingBytes: 4096 } })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* sendAll(handle, ["hello"])
      yield* TestClock.adjust("1 second")
      // Bob gets the large message; that he has it, alice learns only from the next handshake.
      yield* network.silence(bob.peerId, alice.peerId)
      yield* handle.deliver(message("x".repeat(4096)))
      const waiting = yield* Effect.fork(handle.deliver(message("after it")))
      yield* TestClock.adjust("1 second")
      assert.isNull(waiting.unsafePoll())
      yield* network.heal()
      yield* TestClock.adjust("1 minute")
      assert.isNotNull(waiting.unsafePoll())
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "x".repeat(4096), "after it"])
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("what was delivered", () => {
  it.scoped("leaves the store also where the peer loses its memory in the same moment", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* sendAll(handle, numbered(1, 30))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* handle.status).pendingMessages, 0)
      assert.isAbove((yield* alice.store.countPending(bob.peerId)).messages, 0, "the last are removed a little later")
      yield* bob.crash
      const anew = yield* startKernel("bob")
      yield* sendAll(yield* handleFor(anew, alice), ["I forgot everything"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        alice.forgotten.map(({ _tag }) => _tag),
        ["PeerRestartedError"]
      )
      yield* sendAll(handle, ["once more"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(anew), ["once more"])
      assert.deepStrictEqual(yield* alice.store.countPending(bob.peerId), { messages: 0, bytes: 0 })
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("a held line", () => {
  it.scoped("lets ACKs through, so that a kernel that is busy for want of room in its outbox gets room", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", {
        config: { maxPendingMessages: 5 },
        onReceive: (delivery, remotes) =>
          Effect.flatMap(remotes.get(alice.peerId), (handle) =>
            handle.deliver(message(`re: ${bodyOf(delivery)}`))
          ).pipe(Effect.mapError((cause) => new KernelBusy({ cause })))
      })
      const toBob = yield* handleFor(alice, bob)
      const toAlice = yield* handleFor(bob, alice)
      yield* Effect.all([network.refuse(alice.peerId), network.refuse(bob.peerId)])
      yield* bob.store.transaction(sendAll(toAlice, numbered(1, 10)))
      yield* sendAll(toBob, ["ask", "ask again"])
      yield* network.restore
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(bodiesOf(bob), ["ask", "ask again"])
      assert.deepStrictEqual(bodiesOf(alice), [...numbered(1, 10), "re: ask", "re: ask again"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("lets ACKs through also where a refusal waits in it", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", {
        onReceive: (delivery) =>
          bodyOf(delivery) === "1" ? new DeliveryRefused({ code: "No", reason: "" }) : Effect.void
      })
      const bob = yield* startKernel("bob", {
        config: { maxPendingMessages: 5 },
        onReceive: (delivery, remotes) =>
          Effect.flatMap(remotes.get(alice.peerId), (handle) =>
            handle.deliver(message(`re: ${bodyOf(delivery)}`))
          ).pipe(Effect.mapError((cause) => new KernelBusy({ cause })))
      })
      const toBob = yield* handleFor(alice, bob)
      const toAlice = yield* handleFor(bob, alice)
      yield* Effect.all([network.refuse(alice.peerId), network.refuse(bob.peerId)])
      const [refused] = yield* bob.store.transaction(sendAll(toAlice, numbered(1, 10)))
      yield* sendAll(toBob, ["ask"])
      yield* network.restore
      const outcome = yield* Effect.fork(Effect.flip(refused?.acknowledged ?? Effect.void))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(bodiesOf(bob), ["ask"])
      assert.deepStrictEqual(bodiesOf(alice), [...numbered(2, 10), "re: ask"])
      assert.strictEqual((yield* Fiber.join(outcome))._tag, "DeliveryRejectedError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is let go with its channel, so that the next one can tell what the peer has", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", {
        config: { maxPendingMessages: 5 },
        onReceive: (delivery, remotes) =>
          Effect.flatMap(remotes.get(alice.peerId), (handle) =>
            handle.deliver(message(`re: ${bodyOf(delivery)}`))
          ).pipe(Effect.mapError((cause) => new KernelBusy({ cause })))
      })
      const toBob = yield* handleFor(alice, bob)
      const toAlice = yield* handleFor(bob, alice)
      yield* Effect.all([network.refuse(alice.peerId), network.refuse(bob.peerId)])
      yield* bob.store.transaction(sendAll(toAlice, numbered(1, 10)))
      yield* sendAll(toBob, ["ask"])
      yield* network.restore
      // Alice's messages are on their way when her ACKs are lost.
      yield* network.delay(alice.peerId, bob.peerId, { latency: "20 millis" })
      yield* TestClock.adjust("30 millis")
      while (bodiesOf(alice).length < 10) yield* TestClock.adjust("10 millis")
      yield* network.reset(alice.peerId, bob.peerId)
      yield* network.restore
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(bodiesOf(bob), ["ask"])
      assert.deepStrictEqual(bodiesOf(alice), [...numbered(1, 10), "re: ask"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("does not let an ACK overtake the refusal of what it covers", () =>
    Effect.gen(function* () {
      const network = yield* Network
      let busy = true
      const alice = yield* startKernel("alice", {
        onReceive: (delivery) =>
          bodyOf(delivery) === "2" ? new DeliveryRefused({ code: "No", reason: "" }) : Effect.void
      })
      const bob = yield* startKernel("bob", { onReceive: () => (busy ? new KernelBusy({}) : Effect.void) })
      const toBob = yield* handleFor(alice, bob)
      const toAlice = yield* handleFor(bob, alice)
      yield* Effect.all([network.refuse(alice.peerId), network.refuse(bob.peerId)])
      const receipts = yield* sendAll(toAlice, numbered(1, 3))
      yield* sendAll(toBob, ["wait"])
      yield* network.restore
      yield* TestClock.adjust("20 seconds")
      const outcomes = yield* Effect.fork(Effect.forEach(receipts, ({ acknowledged }) => Effect.either(acknowledged)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* toAlice.status).acknowledgedSeq, 1)
      busy = false
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        (yield* Fiber.join(outcomes)).map((it) => (it._tag === "Left" ? it.left._tag : "acknowledged")),
        ["acknowledged", "DeliveryRejectedError", "acknowledged"]
      )
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("a stranger that leaves in the moment in which the kernel stops", () => {
  /** Bob's link is lost, and he is stopped as many turns of the scheduler later. */
  const lossThenStop = (turns: number) =>
    Effect.gen(function* () {
      const network = yield* Network
      const fibers = yield* Supervisor.track
      const alice = yield* startKernel("alice")
      const bob = yield* Effect.supervised(startKernel("bob"), fibers)
      yield* alice.transport.reconnectPeer(bob.peerId, [addressOf(bob.peerId)])
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* bob.remotes.list).length, 1)
      yield* network.crash(bob.peerId)
      yield* Effect.repeatN(Effect.yieldNow(), turns)
      yield* bob.stop
      yield* alice.stop
      return (yield* fibers.value).filter((fiber) => fiber.unsafePoll() === null).length
    }).pipe(Effect.scoped, Effect.provide(layerNetwork))

  it.effect("leaves no fiber behind", () =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 16; turns++) assert.strictEqual(yield* lossThenStop(turns), 0, `${turns} turns`)
    })
  )
})

describe("a store that goes back while the peer still works on what came before", () => {
  it.scoped("is found out, though its numbers fitted what the peer had committed at the handshake", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const alice = yield* startKernel("alice", { disk })
      const bob = yield* startKernel("bob", {
        onReceive: (delivery) => (bodyOf(delivery) === "slow" ? Effect.sleep("5 seconds") : Effect.void)
      })
      yield* sendAll(yield* handleFor(alice, bob), ["hello"])
      yield* TestClock.adjust("1 second")
      const toBob = yield* handleFor(alice, bob)
      yield* sendAll(toBob, ["slow"])
      const older = yield* disk.copy
      yield* sendAll(toBob, ["forgotten"])
      yield* TestClock.adjust("1 second")
      yield* alice.crash
      const restored = yield* startKernel("alice", { disk: older })
      yield* sendAll(yield* handleFor(restored, bob), ["new"])
      yield* TestClock.adjust("1 minute")
      const letters = yield* restored.store.listDeadLetters({ afterId: 0, limit: 10 })
      const told = letters.map(({ body }) => new TextDecoder().decode(body)).filter((it) => it.includes('"new"'))
      assert.strictEqual(bodiesOf(bob).filter((it) => it === "new").length + told.length, 1)
      assert.deepStrictEqual(
        restored.forgotten.map(({ _tag }) => _tag),
        ["SessionResetError"]
      )
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("a kernel that begins anew before what it said first was looked at", () => {
  const said = ["old", "older"]
  const saidAnew = ["new", "newer", "newest"]

  /** It has a link, of which nobody takes anything yet: nothing is on record at any handshake. */
  const startDeaf = Effect.fnUntraced(function* (peer: Kernel) {
    const bob = yield* startKernel("bob")
    yield* bob.transport.registerLocationHints(peer.peerId, [addressOf(peer.peerId)])
    yield* Effect.flatMap(bob.transport.link(peer.peerId), ({ connect }) => connect)
    yield* TestClock.adjust("1 second")
    return bob
  })

  const assertAnew = Effect.fnUntraced(function* (bob: Kernel, peer: Kernel) {
    yield* TestClock.adjust("5 seconds")
    yield* handleFor(bob, peer)
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual<ReadonlyArray<unknown>>(bodiesOf(bob), [...said, ...saidAnew])
    assert.deepStrictEqual(
      bob.forgotten.map(({ _tag }) => _tag),
      ["PeerRestartedError"]
    )
  })

  it.scoped("loses nothing of what it says: it lost its store", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startDeaf(alice)
      yield* sendAll(yield* handleFor(alice, bob), said)
      yield* TestClock.adjust("1 second")
      yield* alice.crash
      const newborn = yield* startKernel("alice")
      yield* sendAll(yield* handleFor(newborn, bob), saidAnew)
      yield* assertAnew(bob, newborn)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("loses nothing of what it says: it had removed the peer", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startDeaf(alice)
      const old = yield* handleFor(alice, bob)
      yield* sendAll(old, said)
      yield* TestClock.adjust("1 second")
      yield* old.giveUp("it takes too long")
      yield* alice.remotes.remove(bob.peerId)
      yield* sendAll(yield* handleFor(alice, bob), saidAnew)
      yield* assertAnew(bob, alice)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("loses nothing of what it says: it is an ocap-kernel that lost its store", () =>
    Effect.gen(function* () {
      const ocap = yield* startBasePeer(ids.low)
      const bob = yield* startKernel("bob")
      yield* bob.transport.link(ocap.peerId)
      const speak = (incarnationId: string, body: string) =>
        Effect.gen(function* () {
          const line = yield* ocap.dial(bob.peerId)
          yield* line.say(handshake(incarnationId))
          yield* line.hear
          const params = ["message", "ro-1", { methargs: { body, slots: [] }, result: "rp+1" }]
          yield* line.say({ seq: 1, method: "deliver", params })
          yield* TestClock.adjust("1 second")
          return line
        })
      const before = yield* speak("a", "old")
      yield* before.channel.abort(new Error("gone"))
      const after = yield* speak("b", "new")
      yield* bob.remotes.get(ocap.peerId)
      yield* TestClock.adjust("1 second")
      assert.notStrictEqual(after.channel.status(), "open")
      // Not acknowledged, and so said again on the next stream.
      yield* speak("b", "new")
      assert.deepStrictEqual<ReadonlyArray<unknown>>(bodiesOf(bob), ["old", "new"])
      assert.deepStrictEqual(
        bob.forgotten.map(({ _tag }) => _tag),
        ["PeerRestartedError"]
      )
    }).pipe(Effect.provide(layerNetwork))
  )
})

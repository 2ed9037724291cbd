import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import { DeliveryRefused } from "../../../src/services/KernelPort.ts"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import { ids, startBasePeer } from "../../support/basePeer.ts"
import type { KernelOptions } from "../../support/kernel.ts"
import { addressOf, bodiesOf, handleFor, message, startKernel } from "../../support/kernel.ts"

const reap = { _tag: "BringOutYourDead" } as const

/** A kernel that ends each reap it is asked for as kernels do, with one of its own. */
const reaping: KernelOptions = {
  onReceive: (delivery, remotes) =>
    Effect.gen(function* () {
      if (delivery._tag !== "BringOutYourDead") return
      for (const { peerId } of yield* remotes.list) {
        yield* (yield* Effect.orDie(remotes.get(peerId))).deliver(reap).pipe(Effect.orDie)
      }
    })
}

const pair = (options: KernelOptions = {}) =>
  Effect.gen(function* () {
    const alice = yield* startKernel("alice", options)
    const bob = yield* startKernel("bob")
    const toBob = yield* handleFor(alice, bob)
    const toAlice = yield* handleFor(bob, alice)
    return { alice, bob, toBob, toAlice }
  })

describe("BringOutYourDead", () => {
  it.scoped("is suppressed once for each that was received, and then sent again, with number 1", () =>
    Effect.gen(function* () {
      const { alice, bob, toAlice, toBob } = yield* pair()
      for (let count = 0; count < 3; count += 1) yield* (yield* toAlice.deliver(reap)).acknowledged
      assert.deepStrictEqual(bodiesOf(alice), ["BringOutYourDead", "BringOutYourDead", "BringOutYourDead"])
      for (let count = 0; count < 3; count += 1) {
        const echo = yield* toBob.deliver(reap)
        assert.strictEqual(echo.seq, 0)
        yield* echo.acknowledged
      }
      const own = yield* toBob.deliver(reap)
      assert.strictEqual(own.seq, 1)
      yield* own.acknowledged
      assert.deepStrictEqual(bodiesOf(bob), ["BringOutYourDead"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("as a peer of the base profile sees it: the second one is sent, as seq 1 with ack 1", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const peer = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(peer.peerId, { hints: [addressOf(peer.peerId)] })
      const line = yield* peer.dial(alice.peerId)
      yield* line.say({ method: "handshake", params: { incarnationId: "i" } })
      yield* line.hear
      yield* line.say({ seq: 1, method: "deliver", params: ["bringOutYourDead"] })
      yield* TestClock.adjust("10 millis")
      yield* handle.deliver(reap)
      yield* handle.deliver(reap)
      assert.deepStrictEqual(yield* line.hear, { seq: 1, ack: 1, method: "deliver", params: ["bringOutYourDead"] })
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("two in one batch suppress two", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const peer = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(peer.peerId, { hints: [addressOf(peer.peerId)] })
      const line = yield* peer.dial(alice.peerId)
      yield* line.say({ method: "handshake", params: { incarnationId: "i" } })
      yield* line.hear
      const asked = { method: "deliver", params: ["bringOutYourDead"] }
      yield* line.say({ seq: 1, ...asked }, { seq: 2, ...asked })
      yield* TestClock.adjust("10 millis")
      const sent = yield* Effect.forEach([1, 2, 3], () => handle.deliver(reap))
      assert.deepStrictEqual(
        sent.map(({ seq }) => seq),
        [0, 0, 1]
      )
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("sent from the handler of the peer's, in its transaction, is an echo", () =>
    Effect.gen(function* () {
      const { alice, bob, toAlice, toBob } = yield* pair(reaping)
      yield* (yield* toAlice.deliver(reap)).acknowledged
      yield* (yield* toAlice.deliver(reap)).acknowledged
      assert.strictEqual(alice.received.length, 2)
      const hello = yield* toBob.deliver(message("hello"))
      assert.strictEqual(hello.seq, 1)
      yield* hello.acknowledged
      assert.deepStrictEqual(bodiesOf(bob), ["hello"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that the kernel refused asks for no reap, so nothing is suppressed", () =>
    Effect.gen(function* () {
      const { toAlice, toBob } = yield* pair({
        onReceive: () => new DeliveryRefused({ code: "No", reason: "not now" })
      })
      yield* Effect.flip((yield* toAlice.deliver(reap)).acknowledged)
      assert.strictEqual((yield* toBob.deliver(reap)).seq, 2, "number 1 told bob of the refusal")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("stays to be suppressed when the turn that did so is undone", () =>
    Effect.gen(function* () {
      const { alice, toAlice, toBob } = yield* pair()
      yield* (yield* toAlice.deliver(reap)).acknowledged
      const undone = alice.store.transaction(
        Effect.flatMap(toBob.deliver(reap), ({ seq }) => Effect.fail(`undone after ${seq}`))
      )
      assert.strictEqual(yield* Effect.flip(undone), "undone after 0")
      const seqs = yield* alice.store.transaction(Effect.replicateEffect(toBob.deliver(reap), 2))
      assert.deepStrictEqual(
        seqs.map(({ seq }) => seq),
        [0, 1]
      )
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("of a former life of the peer is not counted in its new one", () =>
    Effect.gen(function* () {
      const { alice, bob, toAlice, toBob } = yield* pair()
      yield* (yield* toAlice.deliver(reap)).acknowledged
      yield* bob.crash
      const bob2 = yield* startKernel("bob")
      yield* TestClock.adjust("20 seconds")
      yield* handleFor(bob2, alice)
      assert.deepStrictEqual(
        alice.forgotten.map(({ _tag }) => _tag),
        ["PeerRestartedError"]
      )
      assert.strictEqual((yield* toBob.deliver(reap)).seq, 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("from both sides at once does not loop", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", reaping)
      const bob = yield* startKernel("bob", reaping)
      const [toBob, toAlice] = [yield* handleFor(alice, bob), yield* handleFor(bob, alice)]
      const receipts = yield* Effect.all([toBob.deliver(reap), toAlice.deliver(reap)])
      yield* Effect.forEach(receipts, ({ acknowledged }) => acknowledged)
      const [there, back] = [yield* toBob.deliver(message("and on")), yield* toAlice.deliver(message("and on"))]
      assert.deepStrictEqual([there.seq, back.seq], [2, 2])
      yield* Effect.zipRight(there.acknowledged, back.acknowledged)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is sent once too often, and not for ever, when a crash forgot the count", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const alice = yield* startKernel("alice", { disk })
      const bob = yield* startKernel("bob", reaping)
      const toAlice = yield* handleFor(bob, alice)
      yield* (yield* toAlice.deliver(reap)).acknowledged
      yield* alice.crash
      const alice2 = yield* startKernel("alice", { ...reaping, disk })
      const late = yield* (yield* handleFor(alice2, bob)).deliver(reap)
      assert.strictEqual(late.seq, 1)
      const fiber = yield* Effect.fork(late.acknowledged)
      yield* TestClock.adjust("20 seconds")
      yield* fiber
      assert.deepStrictEqual(bodiesOf(bob), ["BringOutYourDead"])
      assert.deepStrictEqual(bodiesOf(alice2), [])
      assert.strictEqual((yield* toAlice.deliver(message("and on"))).seq, 2)
    }).pipe(Effect.provide(layerNetwork))
  )
})

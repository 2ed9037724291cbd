import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { StoreUnavailableError } from "../../../src/errors/StoreError.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import type { RemoteHandleService } from "../../../src/services/RemoteHandle.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { handshakeAck, ids, startBasePeer } from "../../support/basePeer.ts"
import type { Kernel, KernelOptions } from "../../support/kernel.ts"
import { bodiesOf, handleFor, message, numbered, sendAll, startKernel } from "../../support/kernel.ts"

const letters = (kernel: Kernel) =>
  Effect.map(kernel.store.listDeadLetters({ afterId: 0, limit: 10 }), (all) =>
    all.map(({ reason, seq }) => `${seq} ${reason}`)
  )

const brief = (handle: RemoteHandleService, body: string) => handle.deliver(message(body), { expiresIn: "10 seconds" })

/** Alice, who has talked to bob, and bob out of reach until he is welcome. */
const apart = (options: KernelOptions = {}) =>
  Effect.gen(function* () {
    const network = yield* Network
    const alice = yield* startKernel("alice", options)
    const bob = yield* startKernel("bob")
    const handle = yield* handleFor(alice, bob)
    yield* (yield* handle.deliver(message("hello"))).acknowledged
    yield* network.refuse(bob.peerId)
    yield* network.cut("all", "all")
    yield* TestClock.adjust("1 millis")
    return { alice, bob, handle, meet: Effect.zipRight(network.welcome(bob.peerId), TestClock.adjust("30 seconds")) }
  })

/** So much waits for bob's kernel that what alice says now waits to be transmitted, until `goOn`. */
const congested = (options: KernelOptions = {}) =>
  Effect.gen(function* () {
    const slow = yield* Deferred.make<void>()
    const alice = yield* startKernel("alice", options)
    const bob = yield* startKernel("bob", { onReceive: () => Deferred.await(slow) })
    const handle = yield* handleFor(alice, bob)
    yield* sendAll(
      handle,
      Array.from({ length: 5 }, () => "x".repeat(900_000))
    )
    yield* TestClock.adjust("1 millis")
    return { alice, bob, handle, goOn: Deferred.succeed(slow, undefined) }
  })

describe("a message with a deadline", () => {
  it.scoped("ends at it and not before, if the peer is away; those behind it arrive", () =>
    Effect.gen(function* () {
      const { alice, bob, handle, meet } = yield* apart()
      const receipt = yield* brief(handle, "in vain")
      const outcome = yield* Effect.fork(Effect.flip(receipt.acknowledged))
      const [behind] = yield* sendAll(handle, ["behind"])
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(yield* letters(alice), [])
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(outcome)
      assert(error._tag === "DeliveryExpiredError")
      assert.deepStrictEqual([error.peerId, error.seq], [bob.peerId, 2])
      assert.deepStrictEqual(yield* letters(alice), ["2 Expired"])
      assert.strictEqual((yield* Effect.flip(receipt.acknowledged))._tag, "DeliveryExpiredError")
      yield* meet
      yield* behind?.acknowledged ?? Effect.void
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "behind"])
      const { pendingBytes, pendingMessages } = yield* handle.status
      assert.deepStrictEqual([pendingMessages, pendingBytes], [0, 0])
      assert.deepStrictEqual(bob.forgotten, [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("keeps its remote from being removed until it ends, and no longer", () =>
    Effect.gen(function* () {
      const { alice, bob, handle, meet } = yield* apart()
      yield* brief(handle, "in vain")
      const error = yield* Effect.flip(alice.remotes.remove(bob.peerId))
      assert.strictEqual(error._tag === "RemotePendingError" && error.messages, 1)
      yield* TestClock.adjust("10 seconds")
      yield* alice.remotes.remove(bob.peerId)
      assert.deepStrictEqual(yield* alice.store.listRemotes, [])
      yield* meet
      yield* sendAll(yield* handleFor(alice, bob), ["anew"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "anew"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("frees its room when it ends while the peer is away, up to 16 times the limit", () =>
    Effect.gen(function* () {
      const maxPendingMessages = 4
      const { alice, bob, handle, meet } = yield* apart({ config: { maxPendingMessages, overflow: "fail" } })
      let accepted = 0
      const fill = Effect.gen(function* () {
        const before = accepted
        while ((yield* Effect.exit(brief(handle, "in vain")))._tag === "Success") accepted += 1
        return accepted - before
      })
      assert.strictEqual(yield* fill, maxPendingMessages)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* handle.status).pendingMessages, 0)
      assert.strictEqual(yield* fill, maxPendingMessages)
      yield* TestClock.adjust("10 seconds")
      while ((yield* fill) > 0) yield* TestClock.adjust("10 seconds")
      assert.isAtLeast(accepted, 16 * maxPendingMessages)
      assert.isAtMost(accepted, 17 * maxPendingMessages)
      assert.strictEqual((yield* letters(alice)).length, 10)
      yield* meet
      yield* sendAll(handle, ["behind"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "behind"])
      assert.strictEqual((yield* handle.status).pendingMessages, 0)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is left to arrive if it may be on its way, however late", () =>
    Effect.gen(function* () {
      const slow = yield* Deferred.make<void>()
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { onReceive: () => Deferred.await(slow) })
      const receipt = yield* brief(yield* handleFor(alice, bob), "in time")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* letters(alice), [])
      yield* Deferred.succeed(slow, undefined)
      yield* receipt.acknowledged
      assert.deepStrictEqual(bodiesOf(bob), ["in time"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("ends by it after a restart as well, whether the kernel was there at the time or not", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const { alice, bob, handle, meet } = yield* apart({ disk })
      yield* brief(handle, "first")
      yield* TestClock.adjust("5 seconds")
      yield* brief(handle, "second")
      yield* sendAll(handle, ["lasting"])
      yield* alice.crash
      const alice2 = yield* startKernel("alice", { disk })
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(yield* letters(alice2), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* letters(alice2), ["2 Expired"])
      yield* alice2.stop
      yield* TestClock.adjust("1 minute")
      const alice3 = yield* startKernel("alice", { disk })
      yield* meet
      assert.deepStrictEqual(yield* letters(alice3), ["2 Expired", "3 Expired"])
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "lasting"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("ends although a channel is open, where it could not be transmitted; the peer is told on it", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { alice, bob, goOn, handle } = yield* congested()
      const receipt = yield* handle.deliver(message("in vain"), { expiresIn: "2 seconds" })
      const [behind] = yield* sendAll(handle, ["behind"])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Effect.flip(receipt.acknowledged))._tag, "DeliveryExpiredError")
      yield* goOn
      yield* behind?.acknowledged ?? Effect.void
      assert.deepStrictEqual(bodiesOf(bob).slice(5), ["behind"])
      assert.deepStrictEqual(yield* letters(alice), ["6 Expired"])
      assert.strictEqual((yield* handle.status).pendingMessages, 0)
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is not transmitted after it, even while the store cannot end it", () =>
    Effect.gen(function* () {
      let busy = false
      const disk = RemoteStoreMemory.makeDisk({
        onCall: (operation) =>
          busy && operation === "expirePending" ? new StoreUnavailableError({ operation, reason: "Busy" }) : Effect.void
      })
      const { alice, bob, handle, meet } = yield* apart({ disk })
      const receipt = yield* brief(handle, "in vain")
      const [behind] = yield* sendAll(handle, ["behind"])
      busy = true
      yield* TestClock.adjust("10 seconds")
      yield* meet
      assert.deepStrictEqual(bodiesOf(bob), ["hello"])
      busy = false
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(receipt.acknowledged))._tag, "DeliveryExpiredError")
      yield* behind?.acknowledged ?? Effect.void
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "behind"])
      assert.deepStrictEqual(yield* letters(alice), ["2 Expired"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is not transmitted while its end commits", () =>
    Effect.gen(function* () {
      const committing = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      let ending = false
      const disk = RemoteStoreMemory.makeDisk({
        onCall: (operation) => {
          if (operation === "expirePending") ending = true
          if (operation !== "commit" || !ending) return Effect.void
          ending = false
          return Effect.zipRight(Deferred.succeed(committing, undefined), Deferred.await(commit))
        }
      })
      const { bob, goOn, handle } = yield* congested({ disk })
      const receipt = yield* handle.deliver(message("in vain"), { expiresIn: "2 seconds" })
      yield* TestClock.adjust("2 seconds")
      yield* Deferred.await(committing)
      // Not even if somebody sets the clock back meanwhile.
      yield* TestClock.setTime(0)
      yield* goOn
      yield* TestClock.adjust("1 second")
      // Of what there was before, one had no room.
      const before = bodiesOf(bob).length
      yield* Deferred.succeed(commit, undefined)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(receipt.acknowledged))._tag, "DeliveryExpiredError")
      assert.deepStrictEqual([before, bodiesOf(bob).length], [4, 5])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("leaves a gap to a peer of the base profile, which is settled without its word", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const peer = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(peer.peerId)
      const pending = Effect.map(handle.status, ({ pendingMessages }) => pendingMessages)
      yield* brief(handle, "1")
      yield* brief(handle, "2")
      yield* sendAll(handle, ["3"])
      yield* brief(handle, "4")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* pending, 1)
      yield* handleFor(alice, { ...alice, peerId: peer.peerId })
      const line = yield* peer.accept
      yield* line.hear
      yield* line.say(handshakeAck("i"))
      const third = yield* line.hear
      assert.strictEqual(JSON.stringify(third).slice(0, 9), '{"seq":3,')
      assert.strictEqual(yield* pending, 1)
      yield* line.say({ ack: 3 })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* pending, 0)
      assert.strictEqual((yield* handle.status).acknowledgedSeq, 4)
      const fifth = yield* handle.deliver(message("5"))
      assert.strictEqual(JSON.stringify(yield* line.hear).slice(0, 9), '{"seq":5,')
      yield* line.say({ ack: 5 })
      yield* fifth.acknowledged
      assert.deepStrictEqual(yield* letters(alice), ["1 Expired", "2 Expired", "4 Expired"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("ends otherwise if its conversation does, and leaves no second letter then", () =>
    Effect.gen(function* () {
      const { alice, handle } = yield* apart()
      const ended = yield* brief(handle, "ended")
      yield* TestClock.adjust("10 seconds")
      const givenUp = yield* brief(handle, "given up")
      yield* handle.giveUp("enough")
      assert.strictEqual((yield* Effect.flip(ended.acknowledged))._tag, "DeliveryExpiredError")
      assert.strictEqual((yield* Effect.flip(givenUp.acknowledged))._tag, "GivenUpError")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* letters(alice), ["2 Expired", "3 GivenUp"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("in a turn that is undone never was: to wait for it is a mistake, and its number goes to another", () =>
    Effect.gen(function* () {
      const { alice, handle } = yield* apart()
      let outer: Effect.Effect<void, unknown> = Effect.void
      let inner: Effect.Effect<void, unknown> = Effect.void
      const nested = Effect.gen(function* () {
        inner = (yield* brief(handle, "undone")).acknowledged
        return yield* Effect.fail("undone")
      })
      const kept = yield* alice.store.transaction(
        Effect.gen(function* () {
          const receipt = yield* brief(handle, "kept")
          yield* Effect.ignore(alice.store.transaction(nested))
          return receipt
        })
      )
      yield* Effect.ignore(
        alice.store.transaction(
          Effect.gen(function* () {
            outer = (yield* brief(handle, "undone")).acknowledged
            return yield* Effect.fail("undone")
          })
        )
      )
      for (const acknowledged of [inner, outer]) {
        const exit = yield* Effect.exit(acknowledged)
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      }
      assert.strictEqual((yield* brief(handle, "next")).seq, kept.seq + 1)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Effect.flip(kept.acknowledged))._tag, "DeliveryExpiredError")
      assert.deepStrictEqual(yield* letters(alice), ["2 Expired", "3 Expired"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is told to each of many, whenever they ask", () =>
    Effect.gen(function* () {
      const { bob, handle, meet } = yield* apart()
      const receipts = yield* Effect.forEach(numbered(1, 3000), (body) => brief(handle, body))
      yield* TestClock.adjust("10 seconds")
      yield* sendAll(handle, ["behind"])
      yield* meet
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "behind"])
      assert.strictEqual((yield* handle.status).pendingMessages, 0)
      for (const { acknowledged } of receipts) {
        assert.strictEqual((yield* Effect.flip(acknowledged))._tag, "DeliveryExpiredError")
      }
    }).pipe(Effect.provide(layerNetwork))
  )
})

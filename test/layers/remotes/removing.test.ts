import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as ConnectionFactoryMemory from "../../../src/layers/ConnectionFactoryMemory.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import type { PeerId } from "../../../src/protocol/PeerId.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import type { BasePeer, Line } from "../../support/basePeer.ts"
import { handshake, handshakeAck, ids, startBasePeer } from "../../support/basePeer.ts"
import type { Kernel } from "../../support/kernel.ts"
import { bodiesOf, handleFor, message, numbered, sendAll, startKernel } from "../../support/kernel.ts"

/** What was said to it when it was unknown goes by the same place of the store as for `ids.high`. */
const neighbourOfHigh = "12D3KooWQvh3tHWRjKuMmDWGJ2yEkMEX5Xt7W1tC7sTtVkyHgqxn"

const said = (seq: number, body = String(seq)) => ({
  seq,
  method: "deliver",
  params: ["message", "ro-1", { methargs: { body, slots: [] }, result: "rp+1" }]
})

/** Which incarnation the next frame states. */
const hearName = (line: Line): Effect.Effect<unknown> =>
  Effect.map(line.hear, (frame) => {
    const name: unknown = Reflect.get(Object(Reflect.get(Object(frame), "params")), "incarnationId")
    return name
  })

/** A peer dials Alice, and hears who she is. */
const dial = (peer: BasePeer, alice: Kernel) =>
  Effect.gen(function* () {
    const line = yield* peer.dial(alice.peerId)
    yield* line.say(handshake("i"))
    return { line, name: yield* hearName(line) }
  })

/** As `dial`, and says its first message, so that it is on record. */
const meet = (peer: BasePeer, alice: Kernel) =>
  Effect.gen(function* () {
    const met = yield* dial(peer, alice)
    yield* met.line.say(said(1))
    yield* TestClock.adjust("1 second")
    return met.name
  })

/** Alice and two peers of the base profile. */
const start = Effect.gen(function* () {
  const disk = RemoteStoreMemory.makeDisk()
  const alice = yield* startKernel("alice", { disk })
  return { disk, alice, low: yield* startBasePeer(ids.low), high: yield* startBasePeer(ids.high) }
})

const letters = (kernel: Kernel) =>
  Effect.map(kernel.store.listDeadLetters({ afterId: 0, limit: 10 }), (all) =>
    all.map(({ detail: _, reason, seq }) => `${seq} ${reason}`)
  )

describe("a peer of the base profile that was removed", () => {
  it.scoped(
    "hears of an incarnation that nobody has heard of, each time; who was not removed hears what it knows",
    () =>
      Effect.gen(function* () {
        const { alice, disk, high, low } = yield* start
        const first = yield* meet(low, alice)
        const others = yield* meet(high, alice)
        assert.strictEqual(first, others)
        yield* alice.remotes.remove(low.peerId)
        const second = yield* meet(low, alice)
        yield* alice.remotes.remove(low.peerId)
        const third = yield* meet(low, alice)
        assert.strictEqual(new Set([first, second, third]).size, 3)
        assert.strictEqual((yield* dial(high, alice)).name, others)
        yield* alice.crash
        const again = yield* startKernel("alice", { disk })
        assert.strictEqual((yield* dial(low, again)).name, third)
        assert.strictEqual((yield* dial(high, again)).name, others)
      }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("hears of it from who dials it, too, and begins at 1 as this side does", () =>
    Effect.gen(function* () {
      const { alice, low } = yield* start
      const before = yield* meet(low, alice)
      yield* alice.remotes.remove(low.peerId)
      const handle = yield* alice.remotes.get(low.peerId, { hints: [ConnectionFactoryMemory.addressOf(low.peerId)] })
      const [receipt] = yield* sendAll(handle, ["anew"])
      const line = yield* low.accept
      assert.notStrictEqual(yield* hearName(line), before)
      yield* line.say(handshakeAck("i"))
      assert.deepInclude(yield* line.hear, { seq: 1 })
      yield* line.say(said(1, "anew"), { ack: 1 })
      yield* TestClock.adjust("1 second")
      yield* receipt?.acknowledged ?? Effect.void
      assert.deepStrictEqual(bodiesOf(alice), ["1", "anew"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("while a handshake of its is under way meets the new incarnation or nobody", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const mayGoOn = yield* Deferred.make<void>()
      let holds = false
      const disk = RemoteStoreMemory.makeDisk({
        onDone: (operation) =>
          holds && operation === "findRemote"
            ? Effect.zipRight(Deferred.succeed(asked, undefined), Deferred.await(mayGoOn))
            : Effect.void
      })
      const alice = yield* startKernel("alice", { disk })
      const low = yield* startBasePeer(ids.low)
      const before = yield* meet(low, alice)
      holds = true
      const line = yield* low.dial(alice.peerId)
      yield* line.say(handshake("i"))
      yield* Deferred.await(asked)
      holds = false
      const removal = yield* Effect.fork(alice.remotes.remove(low.peerId))
      yield* Deferred.succeed(mayGoOn, undefined)
      yield* Fiber.join(removal)
      yield* line.channel.ended
      assert.deepStrictEqual(yield* alice.store.listRemotes, [])
      assert.notStrictEqual(yield* meet(low, alice), before)
      assert.deepStrictEqual(bodiesOf(alice), ["1", "1"])
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("a stranger while somebody else is removed", () => {
  const nameOnRecord = (alice: Kernel, peer: PeerId) =>
    Effect.map(alice.store.findRemote(peer), (it) => Option.getOrThrow(it).ownIncarnationId)

  it.scoped("hears the same again, and is on record with what it heard", () =>
    Effect.gen(function* () {
      const { alice, disk, high, low } = yield* start
      yield* meet(low, alice)
      const { line, name } = yield* dial(high, alice)
      yield* alice.remotes.remove(low.peerId)
      yield* line.channel.abort(new Error("cut"))
      yield* TestClock.adjust("1 second")
      const again = yield* dial(high, alice)
      assert.strictEqual(again.name, name)
      yield* again.line.say(said(1))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* nameOnRecord(alice, high.peerId), name)
      yield* alice.crash
      assert.strictEqual((yield* dial(high, yield* startKernel("alice", { disk }))).name, name)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that something waits for is on record with what it hears when it is met", () =>
    Effect.gen(function* () {
      const { alice, disk, high } = yield* start
      const neighbour = yield* startBasePeer(neighbourOfHigh)
      const old = yield* meet(neighbour, alice)
      yield* sendAll(yield* alice.remotes.get(high.peerId), ["waits"])
      yield* alice.remotes.remove(neighbour.peerId)
      const { name } = yield* dial(high, alice)
      assert.notStrictEqual(name, old, "who removes one introduces itself anew to those who share its place")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* nameOnRecord(alice, high.peerId), name)
      yield* meet(neighbour, alice)
      yield* alice.remotes.remove(neighbour.peerId)
      assert.strictEqual((yield* dial(high, alice)).name, name)
      yield* alice.crash
      assert.strictEqual((yield* dial(high, yield* startKernel("alice", { disk }))).name, name)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that shares its place hears the same again as long as its link lasts, and is on record with that", () =>
    Effect.gen(function* () {
      const { alice, high } = yield* start
      const neighbour = yield* startBasePeer(neighbourOfHigh)
      yield* meet(neighbour, alice)
      // Its link stays, because the kernel has been given its handle.
      yield* alice.remotes.get(high.peerId)
      const { line, name } = yield* dial(high, alice)
      yield* alice.remotes.remove(neighbour.peerId)
      yield* line.channel.abort(new Error("cut"))
      yield* TestClock.adjust("1 millis")
      const again = yield* dial(high, alice)
      assert.strictEqual(again.name, name)
      yield* again.line.say(said(1))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* nameOnRecord(alice, high.peerId), name)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("one of ours that was removed", () => {
  it.scoped("learns that it is forgotten, and nothing of before arrives a second time", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const fromAlice = yield* handleFor(alice, bob)
      const fromBob = yield* handleFor(bob, alice)
      yield* (yield* fromAlice.deliver(message("a"))).acknowledged
      const [receipt] = yield* sendAll(fromBob, ["taken, and its ACK is lost"])
      const outcome = yield* Effect.fork(Effect.flip(receipt?.acknowledged ?? Effect.die("no receipt")))
      while (bodiesOf(alice).length === 0) yield* Effect.yieldNow()
      yield* network.cut("all", "all")
      yield* alice.remotes.remove(bob.peerId)
      const waiting = yield* sendAll(yield* handleFor(alice, bob), numbered(1, 3))
      yield* sendAll(fromBob, ["waits"])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(outcome))._tag, "PeerRestartedError")
      yield* Effect.forEach(waiting, ({ acknowledged }) => acknowledged)
      yield* sendAll(fromBob, ["new"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(bob), ["a", ...numbered(1, 3)])
      assert.deepStrictEqual(bodiesOf(alice), ["taken, and its ACK is lost", "new"])
      assert.deepStrictEqual(yield* letters(bob), ["1 PeerRestarted", "2 PeerRestarted"])
      assert.deepStrictEqual(yield* letters(alice), [])
      assert.deepStrictEqual(
        [alice, bob].map(({ forgotten }) => forgotten.map(({ _tag }) => _tag)),
        [["GivenUpError"], ["PeerRestartedError"]]
      )
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("by each other at once begin anew, whoever dials", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      for (const round of ["1", "2", "3"]) {
        const handles = [yield* handleFor(alice, bob), yield* handleFor(bob, alice)]
        const bodies = numbered(1, 5).map((it) => `${round}.${it}`)
        const receipts = yield* Effect.forEach(handles, (handle) => sendAll(handle, bodies), {
          concurrency: "unbounded"
        })
        yield* TestClock.adjust("1 minute")
        yield* Effect.forEach(receipts.flat(), ({ acknowledged }) => acknowledged)
        yield* Effect.all([alice.remotes.remove(bob.peerId), bob.remotes.remove(alice.peerId)], {
          concurrency: "unbounded"
        })
      }
      const all = ["1", "2", "3"].flatMap((round) => numbered(1, 5).map((it) => `${round}.${it}`))
      assert.deepStrictEqual(bodiesOf(alice), all)
      assert.deepStrictEqual(bodiesOf(bob), all)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("and is on record again because a copy of the store was put back: both begin anew, and both are told", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const alice = yield* startKernel("alice", { disk })
      const bob = yield* startKernel("bob")
      const fromBob = yield* handleFor(bob, alice)
      for (const handle of [yield* handleFor(alice, bob), fromBob]) yield* sendAll(handle, ["1", "2"])
      yield* TestClock.adjust("1 second")
      const copy = yield* disk.copy
      yield* alice.remotes.remove(bob.peerId)
      yield* sendAll(yield* handleFor(alice, bob), ["3"])
      yield* TestClock.adjust("1 minute")
      yield* alice.crash
      const restored = yield* startKernel("alice", { disk: copy })
      yield* sendAll(yield* handleFor(restored, bob), ["lost with its conversation"])
      yield* TestClock.adjust("1 minute")
      yield* sendAll(yield* handleFor(restored, bob), ["4"])
      yield* sendAll(fromBob, ["5"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(bodiesOf(bob), ["1", "2", "3", "4"])
      assert.deepStrictEqual(bodiesOf(restored), ["5"])
      assert.deepStrictEqual(yield* letters(restored), ["3 SessionReset"])
      assert.deepStrictEqual(
        [restored, bob].map(({ forgotten }) => forgotten.map(({ _tag }) => _tag)),
        [["SessionResetError"], ["PeerRestartedError", "PeerRestartedError"]]
      )
    }).pipe(Effect.provide(layerNetwork))
  )
})

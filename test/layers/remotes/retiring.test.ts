import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import { expiredRemotes } from "../../support/attacker.ts"
import { handshake, ids, startBasePeer } from "../../support/basePeer.ts"
import type { Kernel, KernelOptions } from "../../support/kernel.ts"
import { bodiesOf, handleFor, message, sendAll, startKernel } from "../../support/kernel.ts"

const config = { expireEmptyRemotesAfter: "10 minutes", cleanupInterval: "2 minutes" } as const

const records = (kernel: Kernel) => Effect.map(kernel.store.listRemotes, (all) => all.map(({ peerId }) => peerId))

/** Alice, whose remotes expire, and bob, with whom she talked a minute after she started; then he went away. */
const apart = (options: KernelOptions = {}) =>
  Effect.gen(function* () {
    const disk = RemoteStoreMemory.makeDisk()
    const alice = yield* startKernel("alice", { disk, config, ...options })
    const bobsDisk = RemoteStoreMemory.makeDisk()
    const bob = yield* startKernel("bob", { disk: bobsDisk })
    yield* TestClock.adjust("1 minute")
    yield* (yield* (yield* handleFor(alice, bob)).deliver(message("a"))).acknowledged
    yield* TestClock.adjust("1 minute")
    yield* (yield* (yield* handleFor(bob, alice)).deliver(message("b"))).acknowledged
    yield* TestClock.adjust("1 minute")
    yield* bob.stop
    yield* TestClock.adjust("1 millis")
    return { alice, bob, bobsDisk, disk }
  })

describe("a remote with nothing in it", () => {
  it.scoped("expires so long after its last channel, and not before, and the kernel is told", () =>
    Effect.gen(function* () {
      const expired = yield* expiredRemotes
      const { alice, bob } = yield* apart()
      yield* TestClock.adjust("599998 millis")
      assert.deepStrictEqual(yield* records(alice), [bob.peerId])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* records(alice), [])
      assert.deepStrictEqual(yield* alice.remotes.list, [])
      assert.deepStrictEqual(
        alice.forgotten.map((it) => it.message),
        [`${bob.peerId} was given up: nothing was said for 10m`]
      )
      assert.strictEqual(yield* expiredRemotes, expired + 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("never expires by default", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* apart({ config: {} })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* records(alice), [bob.peerId])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("stays while there is a channel, a message or a redemption pending, and goes a term after that", () =>
    Effect.gen(function* () {
      const patient = { streamInactivityTimeout: "1 hour" } as const
      const alice = yield* startKernel("alice", { config: { ...config, ...patient } })
      const bob = yield* startKernel("bob", { config: patient })
      const handle = yield* handleFor(alice, bob)
      yield* (yield* handle.deliver(message("a"))).acknowledged
      const url = yield* bob.remotes.issueOcapUrl("o+7")
      yield* TestClock.adjust("25 minutes")
      assert.deepStrictEqual(yield* records(alice), [bob.peerId], "an idle channel is open")
      yield* bob.stop
      yield* sendAll(handle, ["waits"])
      yield* TestClock.adjust("25 minutes")
      assert.deepStrictEqual(yield* records(alice), [bob.peerId], "a message is pending")
      yield* Effect.fork(alice.remotes.redeemOcapUrl(url))
      yield* TestClock.adjust("1 second")
      yield* handle.giveUp("enough")
      yield* TestClock.adjust("9 minutes")
      assert.deepStrictEqual(yield* records(alice), [bob.peerId])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* records(alice), [])
      const letters = yield* alice.store.listDeadLetters({ afterId: 0, limit: 9 })
      assert.deepInclude(
        letters.map(({ reason }) => reason),
        "GivenUp",
        "dead letters stay, and keep nobody"
      )
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("stays while the kernel has use for the peer", () =>
    Effect.gen(function* () {
      let inUse = true
      const { alice, bob } = yield* apart({ isInUse: () => inUse })
      yield* TestClock.adjust("25 minutes")
      assert.deepStrictEqual(yield* records(alice), [bob.peerId])
      assert.deepStrictEqual(alice.forgotten, [])
      inUse = false
      yield* TestClock.adjust("11 minutes")
      assert.deepStrictEqual(yield* records(alice), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("goes on being counted when the kernel starts again, and has some time then to come again", () =>
    Effect.gen(function* () {
      const { alice, bob, disk } = yield* apart()
      yield* TestClock.adjust("5 minutes")
      yield* alice.stop
      const again = yield* startKernel("alice", { disk, config })
      // When the last channel ended was not written down, but when the last message was acknowledged.
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(yield* records(again), [bob.peerId])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* records(again), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("has a cleanupInterval to come again after its kernel did not run for long", () =>
    Effect.gen(function* () {
      const { alice, bob, disk } = yield* apart()
      yield* alice.stop
      yield* TestClock.adjust("1 hour")
      const again = yield* startKernel("alice", { disk, config })
      yield* TestClock.adjust("119999 millis")
      assert.deepStrictEqual(yield* records(again), [bob.peerId])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* records(again), [])
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("a peer that comes again after its remote expired", () => {
  it.scoped("is told, and begins anew; what it kept meanwhile is reported, and nothing after that is lost", () =>
    Effect.gen(function* () {
      const { alice, bob, bobsDisk } = yield* apart()
      yield* TestClock.adjust("11 minutes")
      assert.deepStrictEqual(yield* records(alice), [])
      const bob2 = yield* startKernel("bob", { disk: bobsDisk })
      const handle = yield* handleFor(bob2, alice)
      const [kept] = yield* sendAll(handle, ["kept"])
      const outcome = yield* Effect.fork(Effect.flip(kept?.acknowledged ?? Effect.die("no receipt")))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(outcome))._tag, "PeerRestartedError")
      const receipts = [
        ...(yield* sendAll(handle, ["b2"])),
        ...(yield* sendAll(yield* alice.remotes.get(bob.peerId), ["a2"]))
      ]
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(receipts, ({ acknowledged }) => acknowledged)
      assert.deepStrictEqual(bodiesOf(alice), ["b", "b2"])
      assert.deepStrictEqual(bodiesOf(bob2), ["a2"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("hears of another incarnation also if it speaks the base profile", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config })
      const peer = yield* startBasePeer(ids.low)
      const meet = Effect.gen(function* () {
        const line = yield* peer.dial(alice.peerId)
        yield* line.say(handshake("i"))
        const heard = yield* line.hear
        const params = ["message", "ro-1", { methargs: { body: "1", slots: [] }, result: "rp+1" }]
        yield* line.say({ seq: 1, method: "deliver", params })
        yield* TestClock.adjust("1 second")
        yield* line.channel.abort(new Error("gone"))
        return heard
      })
      const first = yield* meet
      yield* TestClock.adjust("11 minutes")
      assert.deepStrictEqual(yield* records(alice), [])
      assert.notDeepEqual(yield* meet, first)
      assert.deepStrictEqual(bodiesOf(alice), ["1", "1"])
    }).pipe(Effect.provide(layerNetwork))
  )
})

import { assert, describe, it } from "@effect/vitest"
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys"
import { peerIdFromPrivateKey } from "@libp2p/peer-id"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import type { RemoteStatus } from "../../src/services/RemoteHandle.ts"
import { explain } from "../../src/services/RemoteStatus.ts"
import { layer as layerNetwork, Network } from "../../src/testing/Network.ts"
import { handshake, startBasePeer } from "../support/basePeer.ts"
import type { Kernel } from "../support/kernel.ts"
import { bodiesOf, handleFor, message, sendAll, startKernel } from "../support/kernel.ts"

/** Reads the changes of all remotes into a mailbox. */
const watch = (kernel: Kernel) =>
  Effect.gen(function* () {
    const seen = yield* Mailbox.make<RemoteStatus>()
    yield* Effect.forkScoped(Stream.runForEach(kernel.remotes.changes, (status) => seen.offer(status)))
    /** Waits for a status like this. */
    const until = (wanted: (status: RemoteStatus) => boolean): Effect.Effect<RemoteStatus> =>
      Effect.flatMap(Effect.orDie(seen.take), (status) => (wanted(status) ? Effect.succeed(status) : until(wanted)))
    return until
  })

const records = (kernel: Kernel) => Effect.map(kernel.store.listRemotes, (all) => all.map(({ peerId }) => peerId))

describe("Remotes.changes", () => {
  it.scoped("tells of every remote, also of those that are new, whatever changes", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const carol = yield* startKernel("carol")
      const toBob = yield* handleFor(alice, bob)
      const until = yield* watch(alice)
      yield* until(({ link, peerId }) => peerId === bob.peerId && link._tag === "Idle")
      yield* sendAll(toBob, ["hello"])
      yield* until((it) => it.peerId === bob.peerId && it.acknowledgedSeq === 1)
      yield* sendAll(yield* handleFor(carol, alice), ["new here"])
      yield* until((it) => it.peerId === carol.peerId && it.receivedSeq === 1)
      yield* network.refuse(bob.peerId)
      yield* network.cut(alice.peerId, bob.peerId)
      yield* sendAll(toBob, ["wait"])
      const status = yield* until(({ link }) => link._tag === "BackingOff" && link.attempt === 2)
      assert.strictEqual(status.peerId, bob.peerId)
      assert.match(
        explain(status),
        /^waiting for 12D3KooWFYV.*: redial in \d s, attempt 2, \w+, 1 pending, oldest 0 s$/
      )
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("gives a slow reader the newest of each, and is not held up by it", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      const mayGoOn = yield* Effect.makeSemaphore(0)
      const seen: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(alice.remotes.changes, ({ acknowledgedSeq }) =>
          Effect.zipRight(
            Effect.sync(() => seen.push(acknowledgedSeq)),
            mayGoOn.take(1)
          )
        )
      )
      yield* TestClock.adjust(0)
      for (let seq = 1; seq <= 200; seq += 1) {
        yield* Effect.flatMap(handle.deliver(message(String(seq))), (receipt) => receipt.acknowledged)
      }
      yield* mayGoOn.release(100)
      yield* TestClock.adjust(0)
      assert.strictEqual(seen.at(-1), 200)
      assert.isAtMost(seen.length, 4)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("ends when the kernel stops", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const reading = yield* Effect.fork(Stream.runDrain(alice.remotes.changes))
      yield* TestClock.adjust(0)
      yield* alice.stop
      yield* Fiber.join(reading)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("RemoteStatus", () => {
  it.scoped("says since when the oldest pending message waits", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const alice = yield* startKernel("alice", { disk })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      const since = Effect.map(handle.status, ({ at, oldestPendingAt }) =>
        oldestPendingAt === undefined ? undefined : at - oldestPendingAt
      )
      assert.isUndefined(yield* since)
      yield* bob.stop
      yield* sendAll(handle, ["first"])
      yield* TestClock.adjust("10 seconds")
      yield* sendAll(handle, ["second"])
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* since, 41_000)
      yield* handle.giveUp("enough")
      assert.isUndefined(yield* since)
      yield* sendAll(handle, ["third"])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* since, 5_000)
      yield* alice.stop
      yield* TestClock.adjust("1 hour")
      const again = yield* handleFor(yield* startKernel("alice", { disk }), bob)
      yield* TestClock.adjust("7 seconds")
      const { at, oldestPendingAt } = yield* again.status
      assert.strictEqual(at - (oldestPendingAt ?? 0), 7_000, "after a restart since the start")
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("Remotes.remove", () => {
  it.scoped("forgets a peer, which is a new one if it comes again", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const old = yield* handleFor(alice, bob)
      const [receipt] = yield* sendAll(old, ["hello"])
      yield* receipt?.acknowledged ?? Effect.void
      yield* alice.remotes.remove(bob.peerId)
      assert.deepStrictEqual(yield* records(alice), [])
      assert.deepStrictEqual(yield* alice.remotes.list, [])
      assert.deepStrictEqual(
        alice.forgotten.map(({ _tag }) => _tag),
        ["GivenUpError"]
      )
      assert.strictEqual((yield* Effect.flip(old.deliver(message("late"))))._tag, "NetworkStoppedError")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* network.openChannels(), 0)
      yield* alice.remotes.remove(bob.peerId)
      const [again] = yield* sendAll(yield* handleFor(alice, bob), ["hello again"])
      const arrival = yield* Effect.fork(again?.acknowledged ?? Effect.void)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(arrival)
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "hello again"])
      assert.deepStrictEqual(yield* records(alice), [bob.peerId])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("fails while something is pending, and changes nothing", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* bob.stop
      yield* sendAll(handle, ["wait"])
      const error = yield* Effect.flip(alice.remotes.remove(bob.peerId))
      assert.strictEqual(error._tag === "RemotePendingError" && error.messages, 1)
      assert.deepStrictEqual(alice.forgotten, [])
      const bob2 = yield* startKernel("bob")
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(bodiesOf(bob2), ["wait"])
      yield* alice.remotes.remove(bob.peerId)
      yield* handle.giveUp("nothing is pending").pipe(Effect.flip)
      assert.deepStrictEqual(yield* records(alice), [], "nothing brings the record back")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("fails while the answer to a redemption may still be asked for, also after a crash", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const alice = yield* startKernel("alice", { disk })
      const bob = yield* startKernel("bob")
      yield* handleFor(alice, bob)
      const url = yield* bob.remotes.issueOcapUrl("o+7")
      yield* bob.stop
      yield* Effect.fork(alice.remotes.redeemOcapUrl(url))
      yield* TestClock.adjust("1 second")
      const pending = { _tag: "RemotePendingError", messages: 1, redemptions: 1 } as const
      assert.deepInclude(yield* Effect.flip(alice.remotes.remove(bob.peerId)), pending)
      yield* alice.crash
      const alice2 = yield* startKernel("alice", { disk })
      assert.deepInclude(yield* Effect.flip(alice2.remotes.remove(bob.peerId)), pending)
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Effect.flip(alice2.remotes.remove(bob.peerId)), { ...pending, redemptions: 0 })
      yield* (yield* handleFor(alice2, bob)).giveUp("enough")
      yield* alice2.remotes.remove(bob.peerId)
      assert.deepStrictEqual(yield* alice2.store.listRedemptions(bob.peerId), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("accepts nothing any more from the moment at which it is decided", () =>
    Effect.gen(function* () {
      const removing = yield* Deferred.make<void>()
      const mayGoOn = yield* Deferred.make<void>()
      const disk = RemoteStoreMemory.makeDisk({
        onCall: (operation) =>
          operation === "removeRemote"
            ? Effect.zipRight(Deferred.succeed(removing, undefined), Deferred.await(mayGoOn))
            : Effect.void
      })
      const alice = yield* startKernel("alice", { disk })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      const fromBob = yield* handleFor(bob, alice)
      const [receipt] = yield* sendAll(handle, ["hello"])
      yield* receipt?.acknowledged ?? Effect.void
      const removal = yield* Effect.fork(alice.remotes.remove(bob.peerId))
      yield* Deferred.await(removing)
      const late = yield* Effect.fork(Effect.flip(handle.deliver(message("too late"))))
      const inTurn = yield* Effect.fork(Effect.flip(alice.store.transaction(handle.deliver(message("too late")))))
      yield* sendAll(fromBob, ["at the same moment"])
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(mayGoOn, undefined)
      yield* Fiber.join(removal)
      assert.strictEqual((yield* Fiber.join(late))._tag, "NetworkStoppedError")
      assert.strictEqual((yield* Fiber.join(inTurn))._tag, "NetworkStoppedError")
      assert.deepStrictEqual(yield* alice.store.countPending(bob.peerId), { messages: 0, bytes: 0 })
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(bodiesOf(bob), ["hello"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("frees its place among the remotes", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxRemotes: 1 } })
      const bob = yield* startKernel("bob")
      const carol = yield* startKernel("carol")
      yield* handleFor(alice, bob)
      assert.strictEqual((yield* Effect.flip(handleFor(alice, carol)))._tag, "ResourceLimitError")
      yield* alice.remotes.remove(bob.peerId)
      yield* handleFor(alice, carol)
      assert.strictEqual((yield* Effect.flip(alice.remotes.remove("nobody")))._tag, "InvalidPeerIdError")
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("Remotes: strangers", () => {
  const peerIds = Effect.forEach(Array.from({ length: 50 }), (_, index) =>
    Effect.map(
      Effect.promise(() => generateKeyPairFromSeed("Ed25519", new Uint8Array(32).fill(index + 100))),
      (key) => peerIdFromPrivateKey(key).toString()
    )
  )

  /** What a stranger says behind its handshake. */
  const garbage: ReadonlyArray<ReadonlyArray<unknown>> = [
    [],
    ["no object"],
    [{ seq: 1, method: "deliver", params: ["nonsense"] }],
    [{ seq: 7, method: "deliver", params: ["nonsense"] }],
    [{ ack: 12 }],
    [{ seq: -1 }, { seq: 1, method: "nonsense", params: [] }]
  ]

  it.scoped("leave no record and nothing in memory, whatever they say or do not say", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const until = yield* watch(alice)
      yield* Effect.forEach(yield* peerIds, (id, index) =>
        Effect.gen(function* () {
          const peer = yield* startBasePeer(id)
          const line = yield* peer.dial(alice.peerId)
          yield* line.say(handshake(`life ${index}`))
          yield* line.hear
          yield* until(({ peerId }) => peerId === peer.peerId)
          const frames = garbage[index % garbage.length] ?? []
          if (frames.length > 0) yield* line.say(...frames)
          else if (index % 2 === 0) yield* line.channel.close
        })
      )
      yield* TestClock.adjust("130 seconds")
      assert.deepStrictEqual(yield* records(alice), [])
      assert.deepStrictEqual(yield* alice.remotes.list, [])
      assert.deepStrictEqual(yield* alice.transport.peers, [])
      assert.strictEqual(yield* network.openChannels(), 0)
      assert.deepStrictEqual(yield* alice.store.listDeadLetters({ afterId: 0, limit: 100 }), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("are heard when they come again at the moment at which they are forgotten", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      yield* Effect.forEach(yield* peerIds, (id, steps) =>
        Effect.gen(function* () {
          const peer = yield* startBasePeer(id)
          const first = yield* peer.dial(alice.peerId)
          yield* first.say(handshake("life"))
          yield* first.hear
          yield* TestClock.adjust("10 millis")
          const second = yield* peer.dial(alice.peerId)
          yield* first.channel.abort(new Error("gone"))
          for (let step = 0; step < 2 * steps; step += 1) yield* Effect.yieldNow()
          yield* second.say(handshake("life"))
          yield* second.hear
          yield* second.say({ seq: 1, method: "deliver", params: ["bringOutYourDead"] })
          yield* TestClock.adjust("60 millis")
          assert.deepStrictEqual(yield* second.hear, { ack: 1 }, `after ${steps} steps`)
          assert.isTrue((yield* records(alice)).some((known) => known === peer.peerId))
        })
      )
    }).pipe(Effect.provide(layerNetwork))
  )
})

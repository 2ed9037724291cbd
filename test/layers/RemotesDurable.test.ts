import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { StoreUnavailableError } from "../../src/errors/StoreError.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as OcapUrl from "../../src/protocol/OcapUrl.ts"
import { DeliveryRefused, KernelBusy } from "../../src/services/KernelPort.ts"
import type { Receipt } from "../../src/services/RemoteHandle.ts"
import { layer as layerNetwork, Network } from "../../src/testing/Network.ts"
import { handshakeAck, ids, startBasePeer } from "../support/basePeer.ts"
import type { Kernel } from "../support/kernel.ts"
import { addressOf, bodiesOf, bodyOf, handleFor, message, numbered, sendAll, startKernel } from "../support/kernel.ts"

const acknowledgeAll = (receipts: ReadonlyArray<Receipt>) =>
  Effect.forEach(receipts, (receipt) => receipt.acknowledged, { discard: true })

/** Lets virtual time pass until the effect is done. */
const within = <A, E>(time: Duration.DurationInput, effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(time)
    return yield* fiber
  })

const linkState = (kernel: Kernel, other: Pick<Kernel, "peerId">) =>
  Effect.flatMap(Effect.orDie(kernel.transport.link(other.peerId)), (link) => link.state)

describe("RemotesDurable: delivery", () => {
  it.scoped("delivers once and in order, in both directions at once", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const fromAlice = yield* sendAll(yield* handleFor(alice, bob), numbered(1, 500))
      const fromBob = yield* sendAll(yield* handleFor(bob, alice), numbered(501, 1000))
      yield* within("5 seconds", acknowledgeAll([...fromAlice, ...fromBob]))
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 500))
      assert.deepStrictEqual(bodiesOf(alice), numbered(501, 1000))
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("delivers twenty messages at first contact over one handshake", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      const receipts = yield* Effect.all(
        numbered(1, 20).map((body) => handle.deliver(message(body))),
        { concurrency: "unbounded" }
      )
      yield* acknowledgeAll(receipts)
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 20))
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("transmits only what was committed, and uses no number for what was not", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* Effect.flip(
        alice.store.transaction(Effect.zipRight(sendAll(handle, ["never"]), Effect.fail("the turn is undone")))
      )
      const receipts = yield* alice.store.transaction(
        Effect.gen(function* () {
          const first = yield* handle.deliver(message("first"))
          yield* Effect.ignore(
            alice.store.transaction(Effect.zipRight(sendAll(handle, ["inner"]), Effect.fail("undone")))
          )
          return [first, yield* handle.deliver(message("second"))]
        })
      )
      assert.deepStrictEqual(
        receipts.map(({ seq }) => seq),
        [1, 2]
      )
      yield* acknowledgeAll(receipts)
      assert.deepStrictEqual(bodiesOf(bob), ["first", "second"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("makes deliver wait while too much is pending, and go on when the peer has taken it", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxPendingMessages: 10 } })
      const bob = yield* startKernel("bob")
      yield* bob.stop
      const handle = yield* handleFor(alice, bob)
      const sending = yield* Effect.fork(sendAll(handle, numbered(1, 30)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* handle.status).pendingMessages, 10)
      const bob2 = yield* startKernel("bob")
      yield* TestClock.adjust("30 seconds")
      yield* acknowledgeAll(yield* Fiber.join(sending))
      assert.deepStrictEqual(bodiesOf(bob2), numbered(1, 30))
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("refuses a message that is too large before it gets a number", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxMessageSize: 4096 } })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      // Of bytes: the second has fewer characters than the limit.
      for (const body of ["x".repeat(4096), "𝄞".repeat(1024)]) {
        const error = yield* Effect.flip(handle.deliver(message(body)))
        assert(error._tag === "ResourceLimitError")
        assert.strictEqual(error.limit, "messageSize")
      }
      assert.strictEqual((yield* handle.deliver(message("small"))).seq, 1)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("RemotesDurable: what the receiving kernel says", () => {
  it.scoped("a refusal and a failure end one message each, and the line goes on", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", {
        onReceive: (delivery) => {
          if (bodyOf(delivery) === "2") return new DeliveryRefused({ code: "NoSuchObject", reason: "ro-1 is unknown" })
          return bodyOf(delivery) === "4" ? Effect.die(new Error("a bug in the kernel")) : Effect.void
        }
      })
      const receipts = yield* sendAll(yield* handleFor(alice, bob), numbered(1, 5))
      const outcomes = yield* Effect.forEach(receipts, (receipt) =>
        Effect.match(receipt.acknowledged, {
          onFailure: (error) => (error._tag === "DeliveryRejectedError" ? error.code : error._tag),
          onSuccess: () => "delivered"
        })
      )
      assert.deepStrictEqual(outcomes, ["delivered", "NoSuchObject", "delivered", "HandlerFailed", "delivered"])
      assert.deepStrictEqual(bodiesOf(bob), ["1", "3", "5"])
      const letters = (kernel: Kernel) =>
        Effect.map(kernel.store.listDeadLetters({ afterId: 0, limit: 10 }), (all) =>
          all.map(({ reason, seq }) => `${seq} ${reason}`)
        )
      assert.deepStrictEqual(yield* letters(bob), ["2 RejectedHere", "4 HandlerFailed"])
      assert.deepStrictEqual(yield* letters(alice), ["2 RejectedByPeer", "4 RejectedByPeer"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a busy kernel holds the line and gets the message again", () =>
    Effect.gen(function* () {
      let busy = 3
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", {
        onReceive: (delivery) =>
          Effect.suspend(() => {
            if (bodyOf(delivery) !== "2" || busy === 0) return Effect.void
            busy -= 1
            return new KernelBusy({})
          })
      })
      const receipts = yield* sendAll(yield* handleFor(alice, bob), numbered(1, 3))
      yield* within("5 seconds", acknowledgeAll(receipts))
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 3))
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("what a handler sends goes out with its receipt", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob: Kernel = yield* startKernel("bob", {
        onReceive: (delivery, remotes) =>
          Effect.orDie(
            Effect.flatMap(remotes.get(alice.peerId), (handle) => handle.deliver(message(`re: ${bodyOf(delivery)}`)))
          )
      })
      yield* acknowledgeAll(yield* sendAll(yield* handleFor(alice, bob), numbered(1, 3)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(alice), ["re: 1", "re: 2", "re: 3"])
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("RemotesDurable: acknowledgements", () => {
  it.scoped("gives up a channel whose peer owes an answer and is silent for 1.6 s, and not before", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* acknowledgeAll(yield* sendAll(handle, ["hello"]))
      yield* network.silence(bob.peerId, alice.peerId)
      const receipts = yield* sendAll(handle, ["into the dark"])
      yield* TestClock.adjust("1599 millis")
      assert.strictEqual((yield* linkState(alice, bob))._tag, "Open")
      yield* TestClock.adjust("1 millis")
      const state = yield* linkState(alice, bob)
      assert(state._tag === "BackingOff")
      assert.strictEqual(state.error._tag, "ProbeTimeoutError")
      yield* network.heal()
      yield* within("20 seconds", acknowledgeAll(receipts))
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "into the dark"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("keeps the channel of a peer whose kernel is slow but whose process is there", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const slow = yield* Deferred.make<void>()
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { onReceive: () => Deferred.await(slow) })
      const receipts = yield* sendAll(yield* handleFor(alice, bob), ["work"])
      yield* TestClock.adjust("100 seconds")
      assert.strictEqual((yield* linkState(alice, bob))._tag, "Open")
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
      yield* Deferred.succeed(slow, undefined)
      yield* acknowledgeAll(receipts)
      assert.deepStrictEqual(bodiesOf(bob), ["work"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped(
    "acknowledges to a peer of the base profile 50 ms after the first receipt, however steadily more arrive",
    () =>
      Effect.gen(function* () {
        const alice = yield* startKernel("alice")
        const peer = yield* startBasePeer(ids.low)
        const line = yield* peer.dial(alice.peerId)
        yield* line.say({ method: "handshake", params: { incarnationId: "i" } })
        yield* line.hear
        const acks = yield* Effect.fork(line.hear)
        for (let seq = 1; seq <= 5; seq += 1) {
          assert.isTrue((yield* Fiber.poll(acks))._tag === "None")
          yield* line.say({ seq, method: "deliver", params: ["bringOutYourDead"] })
          yield* TestClock.adjust(seq < 5 ? "12 millis" : "2 millis")
        }
        assert.deepStrictEqual(yield* Fiber.join(acks), { ack: 5 })
      }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("takes a message that is repeated once, and acknowledges it again", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const peer = yield* startBasePeer(ids.low)
      const line = yield* peer.dial(alice.peerId)
      const repeated = { seq: 1, method: "deliver", params: ["bringOutYourDead"] }
      yield* line.say({ method: "handshake", params: { incarnationId: "i" } })
      yield* line.hear
      yield* line.say(repeated)
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(yield* line.hear, { ack: 1 })
      yield* line.say(repeated)
      assert.deepStrictEqual(yield* line.hear, { ack: 1 })
      assert.deepStrictEqual(bodiesOf(alice), ["BringOutYourDead"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("sends everything again to a peer of the base profile, three times, and then dials anew", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const peer = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(peer.peerId, { hints: [addressOf(peer.peerId)] })
      yield* handle.deliver({ _tag: "BringOutYourDead" })
      const line = yield* peer.accept
      yield* line.hear
      yield* line.say(handshakeAck("i"))
      const expected = { seq: 1, method: "deliver", params: ["bringOutYourDead"] }
      assert.deepStrictEqual(yield* line.hear, expected)
      for (let round = 1; round <= 3; round += 1) {
        const resent = yield* Effect.fork(line.hear)
        yield* TestClock.adjust("9999 millis")
        assert.isTrue((yield* Fiber.poll(resent))._tag === "None")
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(resent), expected)
      }
      yield* TestClock.adjust("10 seconds")
      const again = yield* Effect.fork(peer.accept)
      yield* TestClock.adjust("1 second")
      const line2 = yield* Fiber.join(again)
      yield* line2.hear
      yield* line2.say(handshakeAck("i"))
      assert.deepStrictEqual(yield* line2.hear, expected)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("RemotesDurable: crashes", () => {
  it.scoped("goes on after either side crashed", () =>
    Effect.gen(function* () {
      const disks = { alice: RemoteStoreMemory.makeDisk(), bob: RemoteStoreMemory.makeDisk() }
      const alice = yield* startKernel("alice", { disk: disks.alice })
      const bob = yield* startKernel("bob", { disk: disks.bob })
      const handle = yield* handleFor(alice, bob)
      yield* acknowledgeAll(yield* sendAll(handle, numbered(1, 10)))
      yield* bob.crash
      yield* sendAll(handle, numbered(11, 20))
      yield* alice.crash
      const alice2 = yield* startKernel("alice", { disk: disks.alice })
      const bob2 = yield* startKernel("bob", { disk: disks.bob, received: bob.received })
      const handle2 = yield* handleFor(alice2, bob2)
      yield* within("20 seconds", Effect.flatMap(sendAll(handle2, numbered(21, 30)), acknowledgeAll))
      assert.deepStrictEqual(bodiesOf(bob2), numbered(1, 30))
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("resends to a peer that comes back only what it lacks", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const disk = RemoteStoreMemory.makeDisk()
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { disk })
      const handle = yield* handleFor(alice, bob)
      yield* acknowledgeAll(yield* sendAll(handle, numbered(1, 50)))
      yield* network.cut(alice.peerId, bob.peerId)
      const receipts = yield* sendAll(handle, numbered(51, 60))
      yield* within("10 seconds", acknowledgeAll(receipts))
      assert.deepStrictEqual(bodiesOf(bob), numbered(1, 60))
      assert.isAtMost((yield* handle.status).resent, 10)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("reports a peer that lost its store, and begins anew with it", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* acknowledgeAll(yield* sendAll(handle, numbered(1, 3)))
      yield* bob.crash
      const [lost] = yield* sendAll(handle, ["to the old bob"])
      const bob2 = yield* startKernel("bob")
      const outcome = yield* within("20 seconds", Effect.flip(lost?.acknowledged ?? Effect.void))
      assert.strictEqual(outcome._tag, "PeerRestartedError")
      assert.deepStrictEqual(
        alice.forgotten.map(({ _tag }) => _tag),
        ["PeerRestartedError"]
      )
      const receipts = yield* sendAll(handle, ["to the new bob"])
      assert.deepStrictEqual(
        receipts.map(({ seq }) => seq),
        [1]
      )
      yield* acknowledgeAll(receipts)
      assert.deepStrictEqual(bodiesOf(bob2), ["to the new bob"])
      const [letter] = yield* alice.store.listDeadLetters({ afterId: 0, limit: 10 })
      assert.strictEqual(letter?.reason, "PeerRestarted")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a graceful stop discards nothing", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const alice = yield* startKernel("alice", { disk })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* bob.stop
      yield* sendAll(handle, numbered(1, 5))
      yield* alice.stop
      yield* startKernel("alice", { disk })
      const bob2 = yield* startKernel("bob")
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(bodiesOf(bob2), numbered(1, 5))
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("RemotesDurable: giving up", () => {
  it.scoped("rejects what waits, keeps dead letters, tells the kernel, and can be used again", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* acknowledgeAll(yield* sendAll(handle, ["hello"]))
      yield* bob.stop
      const [receipt] = yield* sendAll(handle, ["never", "nor this"])
      const waiting = yield* Effect.fork(Effect.flip(receipt?.acknowledged ?? Effect.void))
      yield* handle.giveUp("bob is away")
      yield* handle.giveUp("bob is away")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "GivenUpError")
      assert.strictEqual((yield* handle.status).pendingMessages, 0)
      assert.strictEqual((yield* alice.store.listDeadLetters({ afterId: 0, limit: 10 })).length, 2)
      assert.strictEqual(alice.forgotten[0]?._tag, "GivenUpError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("before the first contact: what is sent afterwards arrives", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* alice.remotes.get(bob.peerId)
      yield* sendAll(handle, ["never", "nor this"])
      yield* handle.giveUp("bob has no address")
      const receipts = yield* sendAll(yield* handleFor(alice, bob), ["but this"])
      yield* within("10 seconds", acknowledgeAll(receipts))
      assert.deepStrictEqual(bodiesOf(bob), ["but this"])
      yield* within("10 seconds", Effect.flatMap(sendAll(yield* handleFor(bob, alice), ["and back"]), acknowledgeAll))
      assert.deepStrictEqual(bodiesOf(alice), ["and back"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("tells the peer which messages will never come", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const disk = RemoteStoreMemory.makeDisk()
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { disk })
      const handle = yield* handleFor(alice, bob)
      yield* acknowledgeAll(yield* sendAll(handle, ["hello"]))
      yield* network.refuse(bob.peerId)
      yield* network.cut(alice.peerId, bob.peerId)
      yield* sendAll(handle, ["never", "nor this"])
      yield* handle.giveUp("enough")
      const receipts = yield* sendAll(handle, ["but this"])
      yield* network.welcome(bob.peerId)
      yield* within("30 seconds", acknowledgeAll(receipts))
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "but this"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("before the first contact leaves a peer that takes what comes after it", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* bob.stop
      const handle = yield* handleFor(alice, bob)
      yield* sendAll(handle, ["never", "nor this"])
      yield* handle.giveUp("enough")
      const receipts = yield* sendAll(handle, ["but this"])
      const bob2 = yield* startKernel("bob")
      yield* within("30 seconds", acknowledgeAll(receipts))
      assert.deepStrictEqual(bodiesOf(bob2), ["but this"])
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("RemotesDurable: OCAP URLs", () => {
  it.scoped("redeems another kernel's URL by asking it, and its own without any network", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const url = yield* bob.remotes.issueOcapUrl("o+7")
      assert.strictEqual(yield* alice.remotes.redeemOcapUrl(url), "ro+o+7")
      assert.strictEqual(yield* bob.remotes.redeemOcapUrl(url), "o+7")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("keeps the relays of a URL that was redeemed, and of no other", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const { host, oid, ...rest } = Either.getOrThrow(OcapUrl.parse(yield* bob.remotes.issueOcapUrl("o+7")))
      const relay = (n: number) => `/ip4/10.0.0.${n}/tcp/9001/ws`
      const naming = (oid: string, n: number) =>
        Either.getOrThrow(OcapUrl.format({ oid, host, hints: [relay(n), "/no/address", ...rest.hints] }))
      const relays = Effect.map(alice.store.loadRelays, (all) =>
        all.map(({ address, bootstrap, lastSeen }) => `${address} ${lastSeen} ${bootstrap}`)
      )
      yield* Effect.flip(alice.remotes.redeemOcapUrl(naming(oid.slice(0, -1), 1)))
      assert.deepStrictEqual(yield* relays, [])
      yield* TestClock.setTime(1000)
      yield* alice.remotes.redeemOcapUrl(naming(oid, 2))
      assert.deepStrictEqual(yield* relays, [`${relay(2)} 1000 false`])
      yield* TestClock.adjust("1 second")
      yield* alice.remotes.redeemOcapUrl(naming(oid, 2))
      assert.deepStrictEqual(yield* relays, [`${relay(2)} 2000 false`])
      yield* bob.remotes.redeemOcapUrl(naming(oid, 3))
      assert.deepStrictEqual(yield* bob.store.loadRelays, [], "its own URL tells a kernel nothing")
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("says what is wrong with a URL", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const url = yield* bob.remotes.issueOcapUrl("o+7")
      const tampered = url.replace(/ocap:z..../, "ocap:z1111")
      const fails = (text: string) => Effect.map(Effect.flip(alice.remotes.redeemOcapUrl(text)), ({ _tag }) => _tag)
      assert.strictEqual(yield* fails("utter nonsense"), "InvalidOcapUrlError")
      assert.strictEqual(yield* fails(tampered), "RedemptionRefusedError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("tells a peer of a URL that is not good no more than that its reference is bad", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const revoked = yield* bob.remotes.issueOcapUrl("o+7")
      const expired = yield* bob.remotes.issueOcapUrl("o+7", { expiresIn: "1 second" })
      const good = yield* bob.remotes.issueOcapUrl("o+7")
      yield* bob.remotes.revokeOcapUrl(revoked)
      yield* TestClock.adjust("1 second")
      for (const url of [revoked, expired]) {
        const error = yield* Effect.flip(alice.remotes.redeemOcapUrl(url))
        assert.strictEqual(
          error._tag === "RedemptionRefusedError" && error.reason,
          "the OCAP URL has a bad object reference"
        )
      }
      assert.strictEqual(yield* alice.remotes.redeemOcapUrl(good), "ro+o+7")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("answers a redemption only once its store can say whether the URL is good", () =>
    Effect.gen(function* () {
      let busy = false
      const disk = RemoteStoreMemory.makeDisk({
        onCall: (operation) =>
          busy && operation === "findIssuedUrl" ? new StoreUnavailableError({ operation, reason: "Busy" }) : Effect.void
      })
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { disk })
      const url = yield* bob.remotes.issueOcapUrl("o+7")
      busy = true
      const asking = yield* Effect.fork(alice.remotes.redeemOcapUrl(url))
      yield* TestClock.adjust("3 seconds")
      assert.isTrue((yield* Fiber.poll(asking))._tag === "None")
      busy = false
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(asking), "ro+o+7")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("fails a redemption that is not answered within four ACK timeouts", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const url = yield* bob.remotes.issueOcapUrl("o+7")
      yield* bob.stop
      const asking = yield* Effect.fork(Effect.flip(alice.remotes.redeemOcapUrl(url)))
      yield* TestClock.adjust("39999 millis")
      assert.isTrue((yield* Fiber.poll(asking))._tag === "None")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(asking))._tag, "RedemptionTimeoutError")
    }).pipe(Effect.provide(layerNetwork))
  )
})

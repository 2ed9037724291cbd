import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { DeliveryRefused } from "../../../src/services/KernelPort.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { ids, startBasePeer } from "../../support/basePeer.ts"
import {
  addressOf,
  bodiesOf,
  bodyOf,
  handleFor,
  message,
  numbered,
  sendAll,
  startKernel
} from "../../support/kernel.ts"

const large = (name: string) => name + "x".repeat(900_000)
const names = (bodies: ReadonlyArray<string>) => bodies.map((body) => body.slice(0, 1))

describe("room for messages", () => {
  it.scoped("is granted as the peer's kernel takes them, and not exceeded meanwhile", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const slow = yield* Deferred.make<void>()
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { onReceive: () => Deferred.await(slow) })
      const receipts = yield* sendAll(yield* handleFor(alice, bob), numbered(1, 9).map(large))
      yield* TestClock.adjust("10 seconds")
      assert.isAtMost(yield* network.bytes(alice.peerId, bob.peerId), 4 * 1_048_576 + 1000)
      yield* Deferred.succeed(slow, undefined)
      for (const { acknowledged } of receipts) yield* acknowledged
      assert.deepStrictEqual(names(bodiesOf(bob)), numbered(1, 9))
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("does not depend on verdicts that wait for room themselves", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const refuseFirst = (delivery: Parameters<typeof bodyOf>[0]) =>
        bodyOf(delivery).startsWith("1") ? new DeliveryRefused({ code: "No", reason: "never" }) : Effect.void
      const meeting = { onReceive: refuseFirst }
      const alice = yield* startKernel("alice", meeting)
      const bob = yield* startKernel("bob", meeting)
      // All of it is pending on both sides before they meet, so that a verdict comes behind more than there is room for.
      const [toBob, toAlice] = [yield* alice.remotes.get(bob.peerId), yield* bob.remotes.get(alice.peerId)]
      const fromAlice = yield* sendAll(toBob, numbered(1, 9).map(large))
      const fromBob = yield* sendAll(toAlice, numbered(1, 9).map(large))
      yield* handleFor(alice, bob)
      yield* TestClock.adjust("5 seconds")
      for (const [first, ...others] of [fromAlice, fromBob]) {
        assert.strictEqual((yield* Effect.flip(first?.acknowledged ?? Effect.void))._tag, "DeliveryRejectedError")
        for (const { acknowledged } of others) yield* acknowledged
      }
      assert.deepStrictEqual(names(bodiesOf(bob)), numbered(2, 9))
      assert.deepStrictEqual(names(bodiesOf(alice)), numbered(2, 9))
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is not there for a frame larger than the peer takes: such a message is refused and uses no number", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { config: { maxMessageSize: 8192 } })
      const handle = yield* handleFor(alice, bob)
      yield* (yield* handle.deliver(message("hello"))).acknowledged
      const error = yield* Effect.flip(handle.deliver(message("x".repeat(8192))))
      assert(error._tag === "ResourceLimitError")
      assert.deepStrictEqual([error.limit, error.max], ["messageSize", 8192])
      const next = yield* handle.deliver(message("x".repeat(8000)))
      assert.strictEqual(next.seq, 2)
      yield* next.acknowledged
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is not there for what was accepted before the peer said how much it takes: it fails alone", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { config: { maxMessageSize: 8192 } })
      const toBob = yield* alice.remotes.get(bob.peerId)
      const tooLarge = "x".repeat(8192)
      const [first, second, third, fourth] = yield* sendAll(toBob, ["1", tooLarge, "3", tooLarge])
      const awaited = yield* Effect.fork(Effect.flip(second?.acknowledged ?? Effect.void))
      yield* handleFor(alice, bob)
      yield* first?.acknowledged ?? Effect.void
      yield* third?.acknowledged ?? Effect.void
      for (const error of [yield* Fiber.join(awaited), yield* Effect.flip(fourth?.acknowledged ?? Effect.void)]) {
        assert(error._tag === "ResourceLimitError")
        assert.deepStrictEqual([error.limit, error.max], ["messageSize", 8192])
      }
      const last = yield* toBob.deliver(message("5"))
      assert.strictEqual(last.seq, 5)
      yield* last.acknowledged
      assert.deepStrictEqual(bodiesOf(bob), ["1", "3", "5"])
      const letters = yield* alice.store.listDeadLetters({ afterId: 0, limit: 10 })
      assert.deepStrictEqual(
        letters.map(({ reason, seq }) => `${seq} ${reason}`),
        ["2 TooLarge", "4 TooLarge"]
      )
      const { pendingBytes, pendingMessages } = yield* toBob.status
      assert.deepStrictEqual([pendingMessages, pendingBytes], [0, 0])
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
      assert.strictEqual((yield* Effect.flip(second?.acknowledged ?? Effect.void))._tag, "ResourceLimitError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped(
    "suffices for a refusal, however many of its characters are escaped, if the peer takes the smallest frames",
    () =>
      Effect.gen(function* () {
        const code = "\u0001".repeat(200)
        const alice = yield* startKernel("alice", { config: { maxMessageSize: 4096 } })
        const bob = yield* startKernel("bob", {
          onReceive: () => new DeliveryRefused({ code, reason: "\u0002".repeat(2000) })
        })
        const { acknowledged } = yield* (yield* handleFor(alice, bob)).deliver(message("hello"))
        const error = yield* Effect.flip(acknowledged)
        assert(error._tag === "DeliveryRejectedError")
        assert.strictEqual(error.code, code.slice(0, 128))
      }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that a peer grants beyond what it announced costs it its channel, and not our state", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const peer = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(peer.peerId, { hints: [addressOf(peer.peerId)] })
      yield* handle.deliver(message("hello"))
      const line = yield* peer.accept
      const session = { with: null, epoch: 0, received: 0, sent: 0, acknowledged: 0, base: 1, next: 1 }
      const channel = { process: "p", dial: 1, after: null }
      const limits = { frame: 1000, messages: 10, bytes: 4000 }
      yield* line.hear
      yield* line.say({
        method: "handshakeAck",
        params: { incarnationId: "i", extensions: { session, channel, limits } }
      })
      yield* line.hear
      yield* line.say({ credit: { messages: 11, bytes: 4000 } })
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* handle.status).link._tag, "Open")
      yield* line.say({ credit: { messages: 12, bytes: 4000 } })
      yield* TestClock.adjust("1 millis")
      const { link, pendingMessages } = yield* handle.status
      assert(link._tag === "BackingOff" || link._tag === "Dialing" || link._tag === "Handshaking")
      assert.strictEqual(pendingMessages, 1)
    }).pipe(Effect.provide(layerNetwork))
  )
})

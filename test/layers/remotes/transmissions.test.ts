/** What becomes of a message whose transmission fails, or that a peer cannot read. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { handshakeAck, ids, startBasePeer } from "../../support/basePeer.ts"
import { addressOf, bodiesOf, handleFor, message, sendAll, startKernel } from "../../support/kernel.ts"

const known = (seq: number) => ({ seq, method: "deliver", params: ["bringOutYourDead"] })

describe("A transmission", () => {
  it.scoped("has been handed to the channel when the message's place is told: nothing else is done before", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* Effect.forEach(yield* sendAll(handle, ["hello"]), (receipt) => receipt.acknowledged)
      yield* TestClock.adjust("1 second")
      const before = yield* network.bytes(alice.peerId, bob.peerId)
      const delivering = Effect.runFork(handle.deliver(message("now")), { immediate: true })
      assert.isTrue(Option.isSome(yield* delivering.poll), "the store and the channel took it at once")
      assert.isAbove(yield* network.bytes(alice.peerId, bob.peerId), before)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("A transmission that fails", () => {
  for (const { before, which } of [
    { which: "the first one", before: [] },
    { which: "a later one", before: ["earlier"] }
  ]) {
    it.scoped(`ends its channel and decides nothing: ${which}`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const alice = yield* startKernel("alice")
        const bob = yield* startKernel("bob")
        const handle = yield* handleFor(alice, bob)
        const earlier = [
          ...(yield* sendAll(yield* handleFor(bob, alice), ["hello"])),
          ...(yield* sendAll(handle, before))
        ]
        yield* Effect.forEach(earlier, (receipt) => receipt.acknowledged)
        yield* TestClock.adjust("1 second")
        const ends = Effect.map(network.log, (log) => log.filter(({ event }) => event === "ended").length)
        const endsBefore = yield* ends
        yield* network.spoil(alice.peerId, bob.peerId, "truncate")
        const [receipt] = yield* sendAll(handle, ["spoiled"])
        yield* TestClock.adjust("20 seconds")
        yield* receipt?.acknowledged ?? Effect.void
        assert.isAbove(yield* ends, endsBefore)
        assert.deepStrictEqual(bodiesOf(bob), [...before, "spoiled"])
        assert.deepStrictEqual(alice.forgotten, [])
        assert.deepStrictEqual(yield* alice.store.listDeadLetters({ afterId: 0, limit: 10 }), [])
      }).pipe(Effect.provide(layerNetwork))
    )
  }
})

describe("A handshake that fails while a peer is dialed again and again", () => {
  it.scoped("closes its channel once and decides nothing: the next one carries what waited", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const peer = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(peer.peerId, { hints: [addressOf(peer.peerId)] })
      yield* handle.deliver({ _tag: "BringOutYourDead" })
      const rude = yield* peer.accept
      yield* rude.hear
      yield* rude.say({ method: "handshakeAck", params: { incarnationId: 7 } })
      yield* Effect.flip(rude.channel.receive)
      yield* TestClock.adjust("10 seconds")
      const polite = yield* peer.accept
      yield* polite.hear
      yield* polite.say(handshakeAck("i"))
      assert.deepStrictEqual(yield* polite.hear, known(1))
      const log = yield* network.log
      assert.deepStrictEqual(
        log.flatMap(({ detail, event, from }) =>
          event === "ended" ? [`${from === alice.peerId ? "we" : "it"} ${detail}`] : []
        ),
        ["we aborted", "it reset"]
      )
      assert.deepStrictEqual(alice.forgotten, [])
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("A message of a kind that is unknown", () => {
  for (const odd of [
    { seq: 2, method: "sing", params: [] },
    { seq: 2, method: "deliver", params: ["song"] }
  ]) {
    it.scoped(`is refused, acknowledged and on record, and holds up nobody: ${JSON.stringify(odd)}`, () =>
      Effect.gen(function* () {
        const alice = yield* startKernel("alice")
        const peer = yield* startBasePeer(ids.low)
        const line = yield* peer.dial(alice.peerId)
        yield* line.say({ method: "handshake", params: { incarnationId: "i" } })
        yield* line.hear
        yield* line.say(known(1), odd, known(3))
        yield* TestClock.adjust("50 millis")
        assert.deepStrictEqual(yield* line.hear, { ack: 3 })
        assert.deepStrictEqual(bodiesOf(alice), ["BringOutYourDead", "BringOutYourDead"])
        const letters = yield* alice.store.listDeadLetters({ afterId: 0, limit: 10 })
        assert.deepStrictEqual(
          letters.map(({ direction, reason, seq }) => ({ direction, reason, seq })),
          [{ direction: "inbound", reason: "Malformed", seq: 2 }]
        )
      }).pipe(Effect.provide(layerNetwork))
    )
  }
})

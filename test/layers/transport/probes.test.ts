import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { bodiesOf, handleFor, message, startKernel } from "../../support/kernel.ts"
import { connect, stateOf } from "../../support/link.ts"

describe("Transport probes", () => {
  it.scoped("shows the round trip, and gives a silent path up at its pace", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.delay("all", "all", { latency: "50 millis" })
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const connecting = yield* Effect.fork(connect(alice, bob))
      yield* TestClock.adjust("1 second")
      const handle = yield* Fiber.join(connecting)
      const state = yield* stateOf(alice, bob)
      assert(state._tag === "Open" && state.roundTrip !== undefined)
      assert.strictEqual(Duration.toMillis(state.roundTrip), 100)
      yield* network.silence("all", "all")
      yield* handle.deliver(message("into the dark"))
      // One sample of 100 ms makes a timeout of 300 ms, and 8 of them the end.
      yield* TestClock.adjust("2399 millis")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Open")
      yield* TestClock.adjust("1 millis")
      const lost = yield* stateOf(alice, bob)
      assert(lost._tag === "BackingOff" && lost.error._tag === "ProbeTimeoutError")
      assert.strictEqual(Duration.toMillis(lost.error.silence), 2400)
      // So that the wait for the next attempt is not over at once, as one of some hundred is.
    }).pipe(Effect.withRandom(Random.make("probes")), Effect.provide(layerNetwork))
  )

  it.scoped("asks nobody while nothing is owed, and lets an idle channel go in peace", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* connect(alice, bob)
      yield* TestClock.adjust("1 second")
      const bytes = yield* network.bytes(alice.peerId, bob.peerId)
      yield* network.silence("all", "all")
      yield* TestClock.adjust("110 seconds")
      assert.strictEqual(yield* network.bytes(alice.peerId, bob.peerId), bytes)
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Open")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a channel with live work outlives the inactivity limit, for as long as its path is alive", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const slow = yield* Deferred.make<void>()
      const config = { streamInactivityTimeout: "5 seconds", ackTimeout: "60 seconds" } as const
      const alice = yield* startKernel("alice", { config })
      const bob = yield* startKernel("bob", { config, onReceive: () => Deferred.await(slow) })
      const receipt = yield* Effect.flatMap(handleFor(alice, bob), (handle) => handle.deliver(message("work")))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Open")
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 1)
      yield* Deferred.succeed(slow, undefined)
      yield* receipt.acknowledged
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Idle")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a path that is slower than it seemed is found out within a few channels, and nothing is lost", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* connect(alice, bob)
      yield* network.delay("all", "all", { latency: "1 millis", bytesPerSecond: 150_000 })
      const receipt = yield* handle.deliver(message("x".repeat(900_000)))
      const arrived = yield* Effect.fork(receipt.acknowledged)
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(arrived)
      assert.strictEqual(bodiesOf(bob).length, 2)
      assert.isBelow(yield* network.dials(alice.peerId, bob.peerId), 6)
    }).pipe(Effect.provide(layerNetwork))
  )
})

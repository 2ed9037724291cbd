import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { handshakeAck, ids, startBasePeer } from "../../support/basePeer.ts"
import { addressOf, handleFor, message, sendAll, startKernel } from "../../support/kernel.ts"
import { stateOf, until } from "../../support/link.ts"

describe("options of RemotesConfig have their effect", () => {
  it.scoped("handshakeTimeout: a peer has as long as it says", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { handshakeTimeout: "3 seconds" } })
      const mute = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(mute.peerId, { hints: [addressOf(mute.peerId)] })
      yield* handle.deliver(message("hello"))
      yield* Effect.flatMap(mute.accept, ({ hear }) => hear)
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual((yield* stateOf(alice, mute))._tag, "Handshaking")
      const backingOff = yield* Effect.fork(until(alice, mute, "BackingOff"))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(backingOff)).error._tag, "HandshakeTimeoutError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("writeTimeout: a write has as long as it says", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { writeTimeout: "2 seconds" } })
      const stuffed = yield* startBasePeer(ids.low)
      const handle = yield* alice.remotes.get(stuffed.peerId, { hints: [addressOf(stuffed.peerId)] })
      yield* sendAll(handle, Array(4).fill("x".repeat(900_000)))
      const line = yield* stuffed.accept
      yield* line.hear
      const open = yield* Effect.fork(until(alice, stuffed, "Open"))
      yield* line.say(handshakeAck("stuffed"))
      yield* Fiber.join(open)
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual((yield* stateOf(alice, stuffed))._tag, "Open")
      const backingOff = yield* Effect.fork(until(alice, stuffed, "BackingOff"))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(backingOff)).error._tag, "WriteTimeoutError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("reconnectBaseDelay and reconnectMaxDelay: waits are drawn from below them", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const hour = 3_600_000
      const config = { reconnectBaseDelay: "1 hour", reconnectMaxDelay: "2 hours" } as const
      const alice = yield* startKernel("alice", { config })
      const bob = yield* startKernel("bob")
      yield* network.refuse(bob.peerId, "ETIMEDOUT")
      yield* Effect.flatMap(handleFor(alice, bob), (handle) => handle.deliver(message("hello")))
      const waits: Array<number> = []
      for (let now = 0; waits.length < 3;) {
        const state = yield* until(alice, bob, "BackingOff")
        waits.push((state.retryAt - now) / hour)
        yield* TestClock.setTime(state.retryAt)
        now = state.retryAt
      }
      assert.deepStrictEqual(waits, [0.5, 1, 1])
    }).pipe(Effect.withRandom(Random.fixed([0.5])), Effect.provide(layerNetwork))
  )
})

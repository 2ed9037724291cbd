/** What crash and fault tests found, at the lowest layer that shows it; told in `docs/found.md`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../src/testing/Network.ts"
import { bodiesOf, handleFor, message, numbered, sendAll, startKernel } from "../support/kernel.ts"

describe("deliver", () => {
  it.scoped("that waits for room goes on when a handshake acknowledges what took it", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", { config: { maxPendingBytes: 4096 } })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* sendAll(handle, ["hello"])
      yield* TestClock.adjust("1 second")
      // Bob gets the large message; that he has it, alice learns only from the next handshake.
      yield* network.silence(bob.peerId, alice.peerId)
      yield* handle.deliver(message("x".repeat(4096)))
      const waiting = yield* Effect.fork(handle.deliver(message("after it")))
      yield* TestClock.adjust("1 second")
      assert.isNull(waiting.unsafePoll())
      yield* network.heal()
      yield* TestClock.adjust("1 minute")
      assert.isNotNull(waiting.unsafePoll())
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(bodiesOf(bob), ["hello", "x".repeat(4096), "after it"])
      void numbered
    }).pipe(Effect.provide(layerNetwork))
  )
})

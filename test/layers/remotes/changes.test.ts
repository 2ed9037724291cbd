import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { RemoteStatus } from "../../../src/services/RemoteHandle.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { handleFor, message, startKernel } from "../../support/kernel.ts"

describe("the changes of one remote", () => {
  it.scoped("come to a slow reader as the newest only, however many there were", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* network.refuse(bob.peerId)
      const handle = yield* handleFor(alice, bob)
      const goOn = yield* Deferred.make<void>()
      const seen: Array<RemoteStatus["link"]["_tag"]> = []
      yield* Effect.forkScoped(
        Stream.runForEach(handle.changes, ({ link }) =>
          Effect.zipRight(
            Effect.sync(() => seen.push(link._tag)),
            Deferred.await(goOn)
          )
        )
      )
      yield* TestClock.adjust("1 millis")
      yield* handle.deliver(message("hello"))
      yield* TestClock.adjust("2 minutes")
      assert.isAbove(yield* network.dials(alice.peerId, bob.peerId), 5)
      yield* network.welcome(bob.peerId)
      yield* TestClock.adjust("30 seconds")
      yield* Deferred.succeed(goOn, undefined)
      yield* TestClock.adjust("1 millis")
      assert.isAtMost(seen.length, 8)
      assert.strictEqual(seen.at(-1), "Open")
    }).pipe(Effect.provide(layerNetwork))
  )
})

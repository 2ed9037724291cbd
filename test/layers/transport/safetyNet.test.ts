import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { message, startKernel } from "../../support/kernel.ts"
import { connect, stateOf } from "../../support/link.ts"

describe("When the network says that a peer is gone", () => {
  it.scoped("a link that is not reading, because the peer said too much, finds out all the same", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", { config: { maxInboundMessagesPerSecond: 10 } })
      const bob = yield* startKernel("bob")
      const handle = yield* connect(bob, alice)
      const said = yield* Effect.replicateEffect(handle.deliver(message("too much")), 500)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(said, 500)
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Open")
      yield* network.hang(alice.peerId)
      yield* network.crash(bob.peerId)
      yield* TestClock.adjust(0)
      assert.notStrictEqual((yield* stateOf(alice, bob))._tag, "Open")
    }).pipe(Effect.provide(layerNetwork))
  )
})

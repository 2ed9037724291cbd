/** What a kernel whose clock is set wrong must not do: go by it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type * as RemotesConfig from "../../src/services/RemotesConfig.ts"
import { layer as layerNetwork, Network } from "../../src/testing/Network.ts"
import { handleFor, message, sendAll, startKernel } from "../support/kernel.ts"
import { makeWrongClock } from "../support/wrongClock.ts"

const wrong = 7_200_000

const scene = (config: typeof RemotesConfig.Options.Encoded) =>
  Effect.gen(function* () {
    const network = yield* Network
    const clock = yield* makeWrongClock
    const alice = yield* clock.within(startKernel("alice", { config }))
    const bob = yield* startKernel("bob")
    const handle = yield* clock.within(handleFor(alice, bob))
    yield* sendAll(handle, ["hello"])
    yield* TestClock.adjust("1 second")
    const link = Effect.map(handle.status, ({ link }) => link._tag)
    assert.strictEqual(yield* link, "Open")
    return { network, clock, alice, bob, handle, link }
  })

describe("a kernel whose clock is set", () => {
  for (const [way, millis] of [
    ["ahead", wrong],
    ["back", -wrong]
  ] as const) {
    it.scoped(`${way} lets a silent stream go at the inactivity limit, and not before`, () =>
      Effect.gen(function* () {
        const { clock, link } = yield* scene({ streamInactivityTimeout: "60 seconds" })
        clock.set(millis)
        yield* TestClock.adjust("50 seconds")
        assert.strictEqual(yield* link, "Open")
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(yield* link, "Idle")
      }).pipe(Effect.provide(layerNetwork))
    )
  }

  it.scoped("ahead gives nobody up before the time", () =>
    Effect.gen(function* () {
      const { alice, bob, clock, handle, network } = yield* scene({ giveUp: { after: "1 hour" } })
      yield* network.partition([[alice.peerId], [bob.peerId]], { dials: "unreachable" })
      yield* network.cut(alice.peerId, bob.peerId)
      yield* handle.deliver(message("waits"))
      yield* TestClock.adjust("1 minute")
      clock.set(wrong)
      yield* TestClock.adjust("55 minutes")
      assert.strictEqual((yield* handle.status).pendingMessages, 1)
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual((yield* handle.status).pendingMessages, 0)
    }).pipe(Effect.provide(layerNetwork))
  )
})

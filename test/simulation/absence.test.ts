/** A peer that is away for hours while as much waits for it as may. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import { layerWith, Network } from "../../src/testing/Network.ts"
import { inVirtualTime } from "../support/inVirtualTime.ts"
import type { Received } from "../support/kernel.ts"
import { bodiesOf, bodyOf, handleFor, message, numbered, sendAll, startKernel } from "../support/kernel.ts"

/** As many as may wait by default. */
const most = 10_000

describe("a peer that is away for two hours", () => {
  it.effect("gets the 10,000 messages that waited, once and in order, although their sender was killed meanwhile", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.delay("all", "all", { latency: 3 })
      const disk = RemoteStoreMemory.makeDisk()
      const received: Array<Received> = []
      const first = yield* startKernel("alice", { disk, received })
      const bob = yield* startKernel("bob")
      const toBob = yield* handleFor(first, bob)
      const toAlice = yield* handleFor(bob, first)
      yield* Effect.flatMap(toBob.deliver(message("hello")), (receipt) => receipt.acknowledged)

      yield* network.partition([[first.peerId], [bob.peerId]], { dials: "unreachable" })
      yield* sendAll(toBob, numbered(1, most))
      yield* sendAll(toAlice, numbered(1, 100))
      // There is no room for more; whoever wants to send waits, and dies with its kernel.
      const waiting = yield* Effect.fork(toBob.deliver(message("one too many")))
      yield* Effect.sleep("1 hour")
      assert.isNull(waiting.unsafePoll())
      yield* first.crash

      const alice = yield* startKernel("alice", { disk, received })
      const handle = yield* handleFor(alice, bob)
      yield* Effect.sleep("1 hour")
      const { oldestPendingAt, pendingMessages, resent } = yield* handle.status
      assert.deepStrictEqual({ pendingMessages, resent }, { pendingMessages: most, resent: 0 })
      assert.isDefined(oldestPendingAt)
      assert.deepStrictEqual(bodiesOf(bob), ["hello"])
      // Somebody asks all the time, and not more often than every few seconds.
      const dials = yield* network.dials(alice.peerId, bob.peerId)
      assert.isAbove(dials, 200)
      assert.isBelow(dials, 1220)

      yield* network.heal()
      const arrived = Effect.zip(handle.status, toAlice.status).pipe(
        Effect.delay("100 millis"),
        Effect.repeat({ until: ([one, other]) => one.pendingMessages + other.pendingMessages === 0 }),
        Effect.timeout("30 seconds")
      )
      yield* arrived
      assert.deepStrictEqual(bodiesOf(bob), ["hello", ...numbered(1, most)])
      assert.deepStrictEqual(
        received.map(({ delivery }) => bodyOf(delivery)),
        numbered(1, 100)
      )
      for (const { forgotten, store } of [alice, bob]) {
        assert.deepStrictEqual(forgotten, [])
        assert.deepStrictEqual(yield* store.listDeadLetters({ afterId: 0, limit: 10 }), [])
      }
      yield* Effect.zipRight(alice.stop, bob.stop)
    }).pipe(
      Effect.scoped,
      Effect.provide(layerWith({})),
      inVirtualTime("absence", "1 day"),
      Effect.map((ended) => assert.isTrue(Option.isSome(ended)))
    )
  )
})

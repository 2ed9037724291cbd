/** How messages leave the store once they are settled. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { makeDisk } from "../../../src/layers/RemoteStoreMemory.ts"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import { message, startKernel } from "../../support/kernel.ts"
import { connect } from "../../support/link.ts"

describe("Settled messages", () => {
  it.scoped("leave the store with the next commit, and by themselves only where there is none for a second", () =>
    Effect.gen(function* () {
      let commits = 0
      const disk = makeDisk({
        onDone: (operation) => Effect.sync(() => void (commits += operation === "commit" ? 1 : 0))
      })
      const alice = yield* startKernel("alice", { disk })
      const bob = yield* startKernel("bob")
      const handle = yield* connect(alice, bob)
      const pending = Effect.map(alice.store.countPending(bob.peerId), ({ messages }) => messages)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* pending, 0)
      commits = 0
      for (let sent = 1; sent <= 10; sent += 1) {
        const receipt = yield* handle.deliver(message(`${sent}`))
        yield* receipt.acknowledged
        yield* TestClock.adjust("100 millis")
        assert.deepStrictEqual({ commits, pending: yield* pending }, { commits: sent, pending: 1 })
      }
      yield* TestClock.adjust("899 millis")
      assert.strictEqual(commits, 10)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual({ commits, pending: yield* pending }, { commits: 11, pending: 0 })
    }).pipe(Effect.provide(layerNetwork))
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type { Disk } from "../../../src/layers/RemoteStoreMemory.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { bodiesOf, bodyOf, handleFor, sendAll, startKernel } from "../../support/kernel.ts"

const told = (kernel: { readonly forgotten: ReadonlyArray<{ readonly _tag: string }> }) =>
  kernel.forgotten.map(({ _tag }) => _tag)

describe("A copy of a store that is newer than the one put back before it", () => {
  it.effect("is found out, although each number that it states could be", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const bob = yield* startKernel("bob")
      const live = (disk: Disk, bodies: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const kernel = yield* startKernel("alice", { disk })
          const handle = yield* handleFor(kernel, bob)
          yield* sendAll(handle, bodies)
          yield* TestClock.adjust("1 second")
          return kernel
        })
      const disk = RemoteStoreMemory.makeDisk()
      const first = yield* live(disk, ["1", "2"])
      const older = yield* disk.copy
      // Transmitted, as far as alice can know, and never heard.
      yield* network.silence(first.peerId, bob.peerId)
      yield* sendAll(yield* handleFor(first, bob), ["3", "4"])
      yield* TestClock.adjust(0)
      const newer = yield* disk.copy
      yield* first.crash
      yield* network.heal()
      const second = yield* live(older, ["other 3", "other 4"])
      assert.deepStrictEqual(bodiesOf(bob), ["1", "2", "other 3", "other 4"])
      yield* second.crash

      const third = yield* live(newer, [])
      assert.deepStrictEqual([told(third), told(bob)], [["SessionResetError"], ["SessionResetError"]])
      const letters = yield* third.store.listDeadLetters({ afterId: 0, limit: 10 })
      assert.deepStrictEqual(
        letters.map(({ direction, reason, seq }) => [direction, reason, seq]),
        [
          ["outbound", "SessionReset", 3],
          ["outbound", "SessionReset", 4]
        ]
      )
      yield* sendAll(yield* handleFor(third, bob), ["5"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        bob.received.map(({ delivery }) => bodyOf(delivery)),
        ["1", "2", "other 3", "other 4", "5"]
      )
    }).pipe(Effect.scoped, Effect.provide(layerNetwork))
  )
})

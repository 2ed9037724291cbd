import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"

describe("a runtime that was captured in a transaction", () => {
  it.effect("runs fibers with transactions of their own, once that one is over", () =>
    Effect.gen(function* () {
      const store = yield* RemoteStore
      const runtime = yield* store.transaction(Effect.runtime<never>())
      const run = <A, E>(effect: Effect.Effect<A, E>) => Fiber.join(Runtime.runFork(runtime)(effect))
      assert.isFalse(yield* run(store.inTransaction))
      const nested = store.transaction(Effect.zip(store.inTransaction, store.transaction(store.inTransaction)))
      assert.deepStrictEqual(yield* run(nested), [true, true])
      assert.isFalse(yield* store.inTransaction, "what it did there moved nobody else")
      const inTurn = yield* store.transaction(Effect.zip(run(store.inTransaction), store.inTransaction))
      assert.isTrue(inTurn[1])
      assert.isFalse(yield* store.inTransaction)
    }).pipe(Effect.provide(RemoteStoreMemory.layer))
  )
})

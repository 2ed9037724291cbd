import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { makeCommitter } from "../../../src/layers/remotes/committer.ts"
import * as Core from "../../../src/layers/remotes/Core.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import { RemoteStore } from "../../../src/services/RemoteStore.ts"
import { peerIds } from "../../support/site.ts"

describe("makeCommitter", () => {
  it.scoped("answers everybody, and with the truth, at whatever step it is stopped", () =>
    Effect.gen(function* () {
      const store = Context.get(yield* Layer.build(RemoteStoreMemory.layer), RemoteStore)
      const outcomes = new Set<string>()
      for (let steps = 0; steps < 150; steps++) {
        let committed = false
        const participant = {
          prepare: Effect.void,
          committed: () => {
            committed = true
          },
          rolledBack: () => {},
          savepoint: () => () => {}
        }
        const scope = yield* Scope.make()
        const committer = yield* Scope.extend(makeCommitter(store), scope)
        const core = Core.make(Core.firstRecord(peerIds.bob), false, 0)
        const committing = yield* Effect.forkDaemon(committer.commit(core, participant, new Uint8Array(1)))
        for (let step = 0; step < steps; step++) yield* Effect.yieldNow()
        yield* Scope.close(scope, Exit.void)
        for (let step = 0; step < 20; step++) yield* Effect.yieldNow()
        const answer = committing.unsafePoll()
        assert.isNotNull(answer, `stopped after ${steps} steps`)
        assert.strictEqual(answer !== null && Exit.isSuccess(answer), committed, `stopped after ${steps} steps`)
        outcomes.add(committed ? "committed" : "stopped")
      }
      assert.deepStrictEqual([...outcomes], ["stopped", "committed"], "the steps reach from one end to the other")
    })
  )
})

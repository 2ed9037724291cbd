import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { makeCommitter } from "../../../src/layers/remotes/committer.ts"
import * as Core from "../../../src/layers/remotes/Core.ts"
import { makeParticipant } from "../../../src/layers/remotes/staging.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import { RemoteStore } from "../../../src/services/RemoteStore.ts"
import { peerIds } from "../../support/site.ts"

const buildStore = Effect.map(Layer.build(RemoteStoreMemory.layer), Context.get(RemoteStore))

const newCore = () => Core.make("process", Core.firstRecord(peerIds.bob), false, 0)

const body = new Uint8Array(1)

/** Stops a committer `steps` steps after it was given messages one after the other; tells how the last of them fared. */
const stopAfter = Effect.fnUntraced(function* (steps: number, messages: number) {
  const store = yield* buildStore
  let committed = 0
  const participant = {
    prepare: Effect.void,
    committed: () => void (committed += 1),
    rolledBack: () => {},
    savepoint: () => () => {}
  }
  const scope = yield* Scope.make()
  const committer = yield* Scope.extend(makeCommitter(store), scope)
  const commit = committer.commit(newCore(), participant, body)
  const committing = yield* Effect.forkDaemon(Effect.replicateEffect(commit, messages))
  for (let step = 0; step < steps; step++) yield* Effect.yieldNow()
  yield* Scope.close(scope, Exit.void)
  for (let step = 0; step < 20; step++) yield* Effect.yieldNow()
  const answer = committing.unsafePoll()
  assert.isNotNull(answer, `stopped after ${steps} steps`)
  assert.strictEqual(answer !== null && Exit.isSuccess(answer), committed === messages, `stopped after ${steps} steps`)
  return committed === messages ? "committed" : "stopped"
})

describe("makeCommitter", () => {
  it.scoped("answers everybody, and with the truth, at whatever step it is stopped", () =>
    Effect.gen(function* () {
      const outcomes = new Set<string>()
      for (let steps = 0; steps < 150; steps++) {
        yield* stopAfter(steps, 1)
        outcomes.add(yield* stopAfter(steps, 2))
      }
      assert.deepStrictEqual([...outcomes], ["stopped", "committed"], "the steps reach from one end to the other")
    })
  )

  it.scoped("commits a lone message at once, and messages that come together in few commits and in their order", () =>
    Effect.gen(function* () {
      const store = yield* buildStore
      const committer = yield* makeCommitter(store)
      const core = newCore()
      const clock = yield* Effect.clock
      let commits = 0
      const participant = makeParticipant(core, store, clock, () => void (commits += 1))
      const alone = yield* Effect.fork(committer.commit(core, participant, body))
      yield* Effect.yieldNow()
      assert.isTrue(Exit.isExit(alone.unsafePoll()), "it took no turn of another fiber")
      const together = yield* Effect.forEach(Array(100).keys(), () => committer.commit(core, participant, body), {
        concurrency: "unbounded"
      })
      const numbers = Array.from({ length: 100 }, (_, index) => index + 2)
      assert.deepStrictEqual(
        together.map(({ seq }) => seq),
        numbers
      )
      assert.isAtMost(commits, 3, "one for the first, at most two for the rest")
    })
  )
})

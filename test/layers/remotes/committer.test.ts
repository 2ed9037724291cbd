import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { makeCommitter } from "../../../src/layers/remotes/committer.ts"
import * as Core from "../../../src/layers/remotes/Core.ts"
import { makeParticipant } from "../../../src/layers/remotes/staging.ts"
import { NetworkStoppedError } from "../../../src/errors/ConnectionError.ts"
import { makeRoster } from "../../../src/internal/onCall.ts"
import { makeClockwork } from "../../../src/internal/timers.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import { RemoteStore } from "../../../src/services/RemoteStore.ts"
import { peerIds } from "../../support/site.ts"

const buildStore = Effect.map(Layer.build(RemoteStoreMemory.layer), Context.get(RemoteStore))

const makeAlone = Effect.fnUntraced(function* (store: RemoteStore["Type"], onFiber: () => void = () => undefined) {
  const clockwork = yield* makeClockwork
  const roster = yield* makeRoster(yield* clockwork.within(yield* Effect.scope))
  return yield* makeCommitter(store, { ...roster, begin: (...args) => (onFiber(), roster.begin(...args)) })
})

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
  const committer = yield* Scope.extend(makeAlone(store), scope)
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
      const committer = yield* makeAlone(store)
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

  it.scoped("commits messages that come one after the other at once, each by itself and without a fiber", () =>
    Effect.gen(function* () {
      const store = yield* buildStore
      let fibers = 0
      const committer = yield* makeAlone(store, () => void (fibers += 1))
      const core = newCore()
      let commits = 0
      const participant = makeParticipant(core, store, yield* Effect.clock, () => void (commits += 1))
      for (let count = 1; count <= 10; count += 1) {
        const alone = yield* Effect.fork(committer.commit(core, participant, body))
        yield* Effect.yieldNow()
        assert.isTrue(Exit.isExit(alone.unsafePoll()), "it took no turn of another fiber")
        assert.strictEqual(commits, count)
        yield* TestClock.adjust(0)
      }
      assert.strictEqual(fibers, 0)
    })
  )

  /** One message is committed, a batch of two waits for the store, and another message for the committer. */
  const busy = Effect.gen(function* () {
    const store = yield* buildStore
    const gate = yield* Effect.makeLatch(true)
    const slow: RemoteStore["Type"] = {
      ...store,
      transaction: (turn, ...of) => Effect.zipRight(gate.await, store.transaction(turn, ...of))
    }
    const scope = yield* Scope.make()
    const committer = yield* Scope.extend(makeAlone(slow), scope)
    const core = newCore()
    let commits = 0
    const participant = makeParticipant(core, store, yield* Effect.clock, () => void (commits += 1))
    const commit = committer.commit(core, participant, body)
    // They begin in this order, and the committer after them.
    yield* Effect.fork(commit)
    const batch = [yield* Effect.fork(commit), yield* Effect.fork(commit)]
    yield* Effect.fork(gate.close)
    yield* TestClock.adjust(0)
    const waiting = [...batch, yield* Effect.fork(commit)]
    yield* TestClock.adjust(0)
    return { commit, gate, scope, waiting, commits: () => commits }
  })

  it.scoped("takes what comes while it commits into the next commit, and commits at once again after that", () =>
    Effect.gen(function* () {
      const { commit, commits, gate, scope, waiting } = yield* busy
      yield* gate.open
      const placed = yield* Fiber.join(Fiber.all(waiting))
      assert.deepStrictEqual(
        placed.map(({ seq }) => seq),
        [2, 3, 4]
      )
      assert.strictEqual(commits(), 3)
      const alone = yield* Effect.fork(commit)
      yield* Effect.yieldNow()
      assert.isTrue(Exit.isExit(alone.unsafePoll()), "it took no turn of another fiber")
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.scoped("tells everybody who waits that it is stopped, and commits nothing after that", () =>
    Effect.gen(function* () {
      const { commits, gate, scope, waiting } = yield* busy
      yield* Scope.close(scope, Exit.void)
      for (const fiber of waiting) {
        assert.deepStrictEqual(yield* Effect.flip(Fiber.join(fiber)), new NetworkStoppedError())
      }
      yield* gate.open
      yield* TestClock.adjust(0)
      assert.strictEqual(commits(), 1)
    })
  )
})

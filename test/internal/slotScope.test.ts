import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { SlotScope } from "../../src/internal/slotScope.ts"

const noting = () => {
  const log: Array<string> = []
  return { log, note: (line: string) => Effect.sync(() => log.push(line)) }
}

describe("a scope with a slot", () => {
  for (const count of [0, 1, 2, 3]) {
    it.effect(`runs ${count} finalizers, the newest first, and once`, () =>
      Effect.gen(function* () {
        const { log, note } = noting()
        const scope = new SlotScope()
        const names = ["a", "b", "c"].slice(0, count)
        for (const name of names) {
          yield* Scope.addFinalizerExit(scope, (exit) => note(`${name} ${exit._tag}`))
        }
        assert.deepStrictEqual(log, [])
        yield* Scope.close(scope, Exit.void)
        yield* Scope.close(scope, Exit.fail("late"))
        assert.deepStrictEqual(
          log,
          names.toReversed().map((name) => `${name} Success`)
        )
      })
    )
  }

  it.effect("runs all finalizers, also when one of them dies, and tells of it", () =>
    Effect.gen(function* () {
      const { log, note } = noting()
      const scope = new SlotScope()
      yield* Scope.addFinalizer(scope, note("first"))
      yield* Scope.addFinalizer(scope, Effect.die("bug"))
      yield* Scope.addFinalizer(scope, note("last"))
      const exit = yield* Effect.exit(Scope.close(scope, Exit.void))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.deepStrictEqual(log, ["last", "first"])
    })
  )

  it.effect("runs at once what comes when it is closed", () =>
    Effect.gen(function* () {
      const { log, note } = noting()
      const scope = new SlotScope()
      yield* Scope.close(scope, Exit.void)
      yield* Scope.addFinalizer(scope, note("late"))
      assert.deepStrictEqual(log, ["late"])
    })
  )

  it.effect("closes its children, and is a scope to Effect's own functions", () =>
    Effect.gen(function* () {
      const { log, note } = noting()
      const scope = new SlotScope()
      yield* Scope.extend(
        Effect.acquireRelease(note("acquired"), () => note("released")),
        scope
      )
      const child = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      yield* Scope.addFinalizer(child, note("child"))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(log, ["acquired", "child", "released"])
    })
  )
})

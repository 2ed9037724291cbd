import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Gate } from "../../src/internal/gate.ts"

describe("gate", () => {
  it.effect("is handed on by a waiter that was interrupted at the moment when its turn came", () =>
    Effect.gen(function* () {
      const gate = new Gate()
      const log: Array<string> = []
      const held = yield* Deferred.make<void>()
      const wait = (name: string) => Effect.fork(gate.through((restore) => restore(Effect.sync(() => log.push(name)))))
      const holder = yield* Effect.fork(gate.through(() => Deferred.await(held)))
      yield* Effect.yieldNow()
      const first = yield* wait("first")
      const second = yield* wait("second")
      yield* Effect.yieldNow()
      // Granted in the fiber of the holder, before the waiter has run.
      holder.addObserver(() => first.unsafeInterruptAsFork(first.id()))
      yield* Deferred.succeed(held, undefined)
      yield* Fiber.await(first)
      yield* Fiber.join(second)
      yield* gate.through(() => Effect.void)
      assert.isFalse(gate.busy)
      assert.deepStrictEqual(log, ["second"])
    })
  )

  it.effect("is left whatever happens inside", () =>
    Effect.gen(function* () {
      const gate = new Gate()
      yield* Effect.exit(gate.through(() => Effect.die("bug")))
      yield* Effect.exit(
        gate.through((): Effect.Effect<void> => {
          throw new Error("bug")
        })
      )
      yield* Effect.exit(gate.through((restore) => restore(Effect.interrupt)))
      assert.isFalse(gate.busy)
    })
  )
})

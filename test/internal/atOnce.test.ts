import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { andThen, isDone, made } from "../../src/internal/atOnce.ts"

describe("andThen", () => {
  it.effect("goes on at once behind what is done, and means the same as flatMap otherwise", () =>
    Effect.gen(function* () {
      let calls = 0
      const next = (value: number) => {
        calls += 1
        return Effect.succeed(value + 1)
      }
      assert.isTrue(isDone(andThen(Effect.succeed(1), next)))
      assert.strictEqual(calls, 1)
      const later = andThen(
        Effect.sync(() => 1),
        next
      )
      assert.strictEqual(calls, 1)
      assert.strictEqual(yield* later, 2)
      const failed = andThen(Effect.fail("no"), next)
      assert.strictEqual(yield* Effect.flip(failed), "no")
      assert.strictEqual(calls, 2)
    })
  )
})

describe("made", () => {
  it.effect("is the effect, or dies of what was thrown instead of it", () =>
    Effect.gen(function* () {
      const effect = Effect.succeed(1)
      assert.strictEqual(
        made(() => effect),
        effect
      )
      const defect = new Error("a bug")
      const failing = made((): Effect.Effect<number> => {
        throw defect
      })
      assert.deepStrictEqual(yield* Effect.exit(failing), Exit.die(defect))
    })
  )
})

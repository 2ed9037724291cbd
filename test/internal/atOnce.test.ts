import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { andThen, isDone } from "../../src/internal/atOnce.ts"

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

import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { type Attempt, staggered } from "../../src/internal/staggered.ts"

/** Attempts that note when they start and what is released; each settles after its time. */
const scene = (
  ...settle: Arr.NonEmptyReadonlyArray<{ readonly after: number; readonly with: Exit.Exit<string, string> }>
) => {
  const started: Array<number> = []
  const released: Array<number> = []
  const attempts = Arr.map(settle, (it, i): Attempt<string, string> => ({
    grace: Duration.millis(250),
    run: Effect.sync(() => started.push(i)).pipe(Effect.zipRight(Effect.sleep(it.after)), Effect.zipRight(it.with)),
    release: () => released.push(i)
  }))
  const run = (watch: Effect.Effect<never, string> = Effect.never) =>
    Effect.fork(staggered(attempts, { isFinal: (it) => it === "final", watch, use: Effect.succeed }))
  return { started, released, run }
}
const ok = (after: number, value = "ok") => ({ after, with: Exit.succeed(value) })
const bad = (after: number, error = "bad") => ({ after, with: Exit.fail(error) })

describe("staggered", () => {
  it.effect("starts the next attempt after the grace of the one before, not earlier", () =>
    Effect.gen(function* () {
      const { released, run, started } = scene(ok(1000), ok(2000), ok(300))
      const fiber = yield* run()
      yield* TestClock.adjust(249)
      assert.deepStrictEqual(started, [0])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(started, [0, 1])
      yield* TestClock.adjust(250)
      assert.deepStrictEqual(started, [0, 1, 2])
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* Fiber.join(fiber), "ok")
      assert.sameMembers(released, [0, 1])
    })
  )

  it.effect("starts the next attempt at once when one fails", () =>
    Effect.gen(function* () {
      const { run, started } = scene(bad(100), bad(100), ok(100, "third"))
      const fiber = yield* run()
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(started, [0, 1])
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(fiber), "third")
    })
  )

  it.effect("tries no more once one has succeeded", () =>
    Effect.gen(function* () {
      const { run, started } = scene(bad(100), bad(100), ok(100, "third"), ok(100, "fourth"))
      const fiber = yield* run()
      yield* TestClock.adjust(10_000)
      assert.strictEqual(yield* Fiber.join(fiber), "third")
      assert.deepStrictEqual(started, [0, 1, 2])
    })
  )

  it.effect("lets an attempt win that has used up its grace", () =>
    Effect.gen(function* () {
      const { released, run } = scene(ok(400, "slow"), ok(5000))
      const fiber = yield* run()
      yield* TestClock.adjust(400)
      assert.strictEqual(yield* Fiber.join(fiber), "slow")
      assert.deepStrictEqual(released, [1])
    })
  )

  it.effect("fails with the last failure when all fail, and releases all", () =>
    Effect.gen(function* () {
      const { released, run } = scene(bad(600, "late"), bad(10, "early"))
      const fiber = yield* run()
      yield* TestClock.adjust(600)
      assert.strictEqual(yield* Effect.flip(Fiber.join(fiber)), "late")
      assert.deepStrictEqual(released, [1, 0])
    })
  )

  it.effect("ends at once with a final failure, and tries nothing more", () =>
    Effect.gen(function* () {
      const { released, run, started } = scene(ok(5000), bad(10, "final"), ok(1))
      const fiber = yield* run()
      yield* TestClock.adjust(260)
      assert.strictEqual(yield* Effect.flip(Fiber.join(fiber)), "final")
      assert.deepStrictEqual(started, [0, 1])
      assert.sameMembers(released, [0, 1])
    })
  )

  it.effect("ends at once when the watch fails", () =>
    Effect.gen(function* () {
      const { released, run } = scene(ok(5000))
      const fiber = yield* run(Effect.delay(Effect.fail("final"), 100))
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Effect.flip(Fiber.join(fiber)), "final")
      assert.deepStrictEqual(released, [0])
    })
  )

  it.effect("releases everything when it is interrupted", () =>
    Effect.gen(function* () {
      const { released, run } = scene(ok(5000), ok(5000))
      const fiber = yield* run()
      yield* TestClock.adjust(300)
      yield* Fiber.interrupt(fiber)
      assert.sameMembers(released, [0, 1])
    })
  )

  it.effect("releases the other of two that succeed at the same moment", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const released: Array<string> = []
      const ended: Array<string> = []
      const attempt = (name: string): Attempt<string, never> => ({
        grace: Duration.millis(1),
        run: Deferred.await(go).pipe(
          Effect.as(name),
          Effect.tap(() => Effect.sync(() => ended.push(name)))
        ),
        release: () => released.push(name)
      })
      const attempts = [attempt("first"), attempt("second")] as const
      const fiber = yield* Effect.fork(
        staggered(attempts, { isFinal: () => false, watch: Effect.never, use: Effect.succeed })
      )
      yield* TestClock.adjust(1)
      yield* Deferred.succeed(go, void 0)
      const winner = yield* Fiber.join(fiber)
      assert.deepStrictEqual(ended, ["first", "second"])
      assert.deepStrictEqual(
        released,
        ended.filter((name) => name !== winner)
      )
    })
  )

  it.effect("passes a defect on", () =>
    Effect.gen(function* () {
      const bug = new Error("bug")
      const { run } = scene({ after: 1, with: Exit.die(bug) }, ok(1))
      const fiber = yield* run()
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.die(bug))
    })
  )
})

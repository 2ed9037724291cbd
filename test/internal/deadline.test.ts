import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Deadline } from "../../src/internal/deadline.ts"
import { makeClockwork } from "../../src/internal/timers.ts"
import { makeWrongClock } from "../support/wrongClock.ts"

describe("a deadline", () => {
  const scene = Effect.gen(function* () {
    const clock = yield* makeWrongClock
    let passed = 0
    const clockwork = yield* clock.within(makeClockwork)
    const deadline = new Deadline(yield* clockwork.within(yield* Effect.scope), Duration.millis(50), () =>
      Effect.sync(() => void passed++)
    )
    return { clock, deadline, passed: () => passed }
  })

  it.scoped("passes once, after its time from when it was armed last, and not when it is disarmed", () =>
    Effect.gen(function* () {
      const { deadline, passed } = yield* scene
      deadline.arm()
      yield* TestClock.adjust("30 millis")
      deadline.armOnce()
      yield* TestClock.adjust("19 millis")
      assert.strictEqual(passed(), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(passed(), 1)
      deadline.arm()
      yield* TestClock.adjust("30 millis")
      deadline.arm()
      yield* TestClock.adjust("49 millis")
      assert.strictEqual(passed(), 1)
      deadline.disarm()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(passed(), 1)
    })
  )

  it.scoped("passes in its time whether the clock is set back or ahead meanwhile", () =>
    Effect.gen(function* () {
      const { clock, deadline, passed } = yield* scene
      for (const [count, wrong] of [-600_000, 600_000].entries()) {
        deadline.arm()
        yield* TestClock.adjust("10 millis")
        clock.set(wrong)
        yield* TestClock.adjust("39 millis")
        assert.strictEqual(passed(), count)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(passed(), count + 1)
      }
    })
  )
})

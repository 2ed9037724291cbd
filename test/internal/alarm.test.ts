import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { makeAlarm } from "../../src/internal/alarm.ts"

const scene = Effect.gen(function* () {
  const rung: Array<number> = []
  const clock = yield* Effect.clock
  const alarm = yield* makeAlarm(Effect.sync(() => void rung.push(clock.unsafeCurrentTimeMillis())))
  return { alarm, rung }
})

describe("an alarm", () => {
  it.scoped("rings at its time and not before, once", () =>
    Effect.gen(function* () {
      const { alarm, rung } = yield* scene
      alarm.set(1000)
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(rung, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(rung, [1000])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(rung, [1000])
    })
  )

  it.scoped("can be set earlier, later, off and on again", () =>
    Effect.gen(function* () {
      const { alarm, rung } = yield* scene
      alarm.set(1000)
      yield* TestClock.adjust("1 millis")
      alarm.set(500)
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(rung, [500])
      alarm.set(600)
      yield* TestClock.adjust("1 millis")
      alarm.set(700)
      yield* TestClock.adjust("150 millis")
      assert.deepStrictEqual(rung, [500])
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(rung, [500, 700])
      alarm.set(800)
      alarm.set(undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(rung, [500, 700])
      alarm.set(1)
      yield* TestClock.adjust(0)
      assert.strictEqual(rung.length, 3)
    })
  )

  it.scoped("keeps a time that is further away than a timer of JavaScript reaches", () =>
    Effect.gen(function* () {
      const { alarm, rung } = yield* scene
      alarm.set(2 ** 32)
      yield* TestClock.setTime(2 ** 32 - 1)
      assert.deepStrictEqual(rung, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(rung, [2 ** 32])
    })
  )
})

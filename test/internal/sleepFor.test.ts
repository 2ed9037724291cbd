import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { sleepFor as sleepOf } from "../../src/internal/sleepFor.ts"

/** What rounding left of a sum of times. */
const sliver = 312.56392800000003 - 312.563928

const sleepFor = (millis: number) => Clock.clockWith((clock) => sleepOf(clock, millis))

describe("sleepFor", () => {
  it.effect("waits for time to go on, however little it is to wait for", () =>
    Effect.gen(function* () {
      const sleeper = yield* Effect.fork(sleepFor(sliver))
      yield* TestClock.adjust(0)
      assert.isNull(sleeper.unsafePoll())
      yield* TestClock.adjust("1 nanos")
      assert.isNotNull(sleeper.unsafePoll())
    })
  )

  it.effect("does not wait for what is over", () =>
    Effect.gen(function* () {
      yield* sleepFor(0)
      yield* sleepFor(-1)
    })
  )

  it.effect("is a sleep of so many milliseconds otherwise", () =>
    Effect.gen(function* () {
      const sleeper = yield* Effect.fork(sleepFor(2.5))
      yield* TestClock.adjust("2499 micros")
      assert.isNull(sleeper.unsafePoll())
      yield* TestClock.adjust("1 micros")
      yield* Fiber.join(sleeper)
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { makeRoster } from "../../src/internal/onCall.ts"
import { Tasks } from "../../src/internal/tasks.ts"
import { makeClockwork } from "../../src/internal/timers.ts"

/** Tasks that take a second each, and what became of them. */
const scene = Effect.gen(function* () {
  const clockwork = yield* makeClockwork
  const tasks = new Tasks(yield* makeRoster(yield* clockwork.within(yield* Effect.scope)), {})
  const log: Array<string> = []
  const note = (line: string) => Effect.sync(() => void log.push(line))
  const begin = (number: number) =>
    tasks.run(
      number,
      Effect.delay(note(`${number} done`), "1 second").pipe(
        // What an interruption has to put in order may take a while.
        Effect.onInterrupt(() => Effect.delay(note(`${number} interrupted`), "5 seconds"))
      )
    )
  return { begin, log, tasks }
})

describe("tasks under numbers", () => {
  it.scoped("run beside each other, and a number is free when its task has ended", () =>
    Effect.gen(function* () {
      const { begin, log, tasks } = yield* scene
      yield* begin(1)
      yield* begin(2)
      yield* TestClock.adjust("1 second")
      yield* begin(1)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(log.sort(), ["1 done", "1 done", "2 done"])
      yield* tasks.cancel(1)
    })
  )

  it.scoped("are interrupted by number, and whoever does that waits until it is in order", () =>
    Effect.gen(function* () {
      const { begin, log, tasks } = yield* scene
      yield* begin(1)
      yield* begin(2)
      yield* TestClock.adjust("500 millis")
      const cancelled = yield* Effect.fork(
        Effect.zipRight(
          tasks.cancel(1),
          Effect.sync(() => log.push("cancelled"))
        )
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(cancelled)
      assert.deepStrictEqual(log, ["2 done", "1 interrupted", "cancelled"])
    })
  )

  it.scoped("all end at the end, and none begins after it", () =>
    Effect.gen(function* () {
      const { begin, log, tasks } = yield* scene
      yield* begin(1)
      yield* begin(2)
      yield* TestClock.adjust("500 millis")
      const ended = yield* Effect.fork(tasks.end)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(ended)
      yield* begin(3)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(log.sort(), ["1 interrupted", "2 interrupted"])
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Signal } from "../../src/internal/signal.ts"

describe("a signal", () => {
  it.effect("wakes who waits, and keeps nobody waiting until it is lowered", () =>
    Effect.gen(function* () {
      const signal = new Signal(false)
      const waiting = yield* Effect.fork(signal.wait)
      yield* Effect.yieldNow()
      assert.isNull(waiting.unsafePoll())
      signal.raise()
      yield* Fiber.join(waiting)
      yield* signal.wait
      signal.lower()
      const again = yield* Effect.fork(signal.wait)
      yield* Effect.yieldNow()
      assert.isNull(again.unsafePoll())
      signal.raise()
      yield* Fiber.join(again)
    })
  )

  it.effect("is not lost on a fiber that was interrupted while it waited", () =>
    Effect.gen(function* () {
      const signal = new Signal(false)
      const gone = yield* Effect.fork(signal.wait)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(gone)
      signal.raise()
      yield* signal.wait
    })
  )
})

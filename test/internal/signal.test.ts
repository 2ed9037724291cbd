import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { endlessly } from "../../src/internal/endless.ts"
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

describe("endlessly", () => {
  it.effect("goes on until the effect fails, and can be interrupted while that waits", () =>
    Effect.gen(function* () {
      let runs = 0
      const failed = yield* Effect.flip(
        endlessly(Effect.suspend(() => (++runs < 10_000 ? Effect.void : Effect.fail("enough"))))
      )
      assert.strictEqual(failed, "enough")
      const started = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(endlessly(Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
    })
  )
})

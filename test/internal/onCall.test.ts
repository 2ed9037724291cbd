import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { makeRoster, OnCall } from "../../src/internal/onCall.ts"
import { makeClockwork } from "../../src/internal/timers.ts"

const roster = Effect.gen(function* () {
  const clockwork = yield* makeClockwork
  return yield* makeRoster(yield* clockwork.within(yield* Effect.scope))
})

/** Work that tells in which fiber each round of it was done. */
const makeWork = Effect.gen(function* () {
  const rounds: Array<number> = []
  const onCall = new OnCall(yield* roster, {}, () =>
    Effect.withFiberRuntime((fiber) => Effect.sync(() => void rounds.push(fiber.id().id)))
  )
  return { onCall, rounds }
})

describe("what is on call", () => {
  it.scoped("does one round for all calls before it, in one fiber as long as calls come", () =>
    Effect.gen(function* () {
      const { onCall, rounds } = yield* makeWork
      onCall.call()
      onCall.call()
      assert.deepStrictEqual(rounds, [], "it begins in a turn of its own")
      yield* TestClock.adjust(0)
      assert.lengthOf(rounds, 1)
      for (let second = 0; second < 5; second += 1) {
        onCall.call()
        yield* TestClock.adjust("1 second")
      }
      assert.lengthOf(rounds, 6)
      assert.lengthOf(new Set(rounds), 1)
    })
  )

  it.scoped("has no fiber any more two seconds after the last call, and another one upon the next", () =>
    Effect.gen(function* () {
      const { onCall, rounds } = yield* makeWork
      onCall.call()
      yield* TestClock.adjust("2 seconds")
      onCall.call()
      yield* TestClock.adjust(0)
      assert.lengthOf(rounds, 2)
      assert.lengthOf(new Set(rounds), 2)
    })
  )

  it.scoped("misses no call that comes while it is at work", () =>
    Effect.gen(function* () {
      let rounds = 0
      const onCall = new OnCall(yield* roster, {}, () => {
        rounds += 1
        return Effect.sleep("10 seconds")
      })
      onCall.call()
      yield* TestClock.adjust("5 seconds")
      onCall.call()
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(rounds, 2)
    })
  )

  it.scoped("is interrupted by its end, and does nothing from then on", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const onCall = new OnCall(yield* roster, {}, () =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted += 1)))
      )
      onCall.call()
      yield* TestClock.adjust("5 seconds")
      yield* onCall.end
      onCall.call()
      yield* TestClock.adjust("5 seconds")
      yield* onCall.end
      assert.strictEqual(interrupted, 1)
    })
  )
})

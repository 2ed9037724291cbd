import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
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

  it.scoped("takes no fiber for what is done at once, and one for what is not", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const slow = Effect.withFiberRuntime<void>(() => Effect.sync(() => void log.push("slow")))
      let rounds = 0
      const base = yield* roster
      const onCall = new OnCall({ ...base, begin: (...args) => (log.push("fiber"), base.begin(...args)) }, {}, () => {
        rounds += 1
        return rounds < 3 ? Effect.void : slow
      })
      for (const expected of [1, 2]) {
        onCall.call()
        assert.strictEqual(rounds, expected - 1, "a round begins in a turn of its own")
        yield* TestClock.adjust(0)
        assert.strictEqual(rounds, expected)
      }
      assert.deepStrictEqual(log, [])
      onCall.call()
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["fiber", "slow"])
    })
  )

  it.scopedLive("does what is called for at whatever step its fiber lets others go first", () =>
    Effect.gen(function* () {
      for (let step = 1; step < 60; step += 1) {
        let left = Infinity
        const giving: Scheduler.Scheduler = {
          scheduleTask: (task, priority) => Scheduler.defaultScheduler.scheduleTask(task, priority),
          shouldYield: () => {
            left -= 1
            if (left !== 0) return false
            Scheduler.defaultScheduler.scheduleTask(() => onCall.callNow(), 0)
            return 0
          }
        }
        let rounds = 0
        const onCall: OnCall = new OnCall(yield* Effect.withScheduler(roster, giving), {}, () => {
          rounds += 1
          return Effect.zipRight(Effect.void, Effect.void)
        })
        left = step
        onCall.call()
        for (let turn = 0; turn < 60; turn += 1) yield* Effect.yieldNow()
        const before = rounds
        left = Infinity
        onCall.call()
        for (let turn = 0; turn < 60; turn += 1) yield* Effect.yieldNow()
        assert.isAbove(rounds, before, `given way at step ${step}`)
      }
    })
  )

  it.scoped("begins at once if it is told so, unless a round is under way, and then does another one", () =>
    Effect.gen(function* () {
      let rounds = 0
      const onCall: OnCall = new OnCall(yield* roster, {}, () => {
        rounds += 1
        if (rounds === 2) onCall.callNow()
        if (rounds === 3) return Effect.sleep("1 second")
        return Effect.void
      })
      onCall.callNow()
      assert.strictEqual(rounds, 1)
      onCall.call()
      onCall.callNow()
      assert.strictEqual(rounds, 2, "the one that was called for before, and not another one inside of it")
      yield* TestClock.adjust(0)
      assert.strictEqual(rounds, 3)
      onCall.callNow()
      assert.strictEqual(rounds, 3)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(rounds, 4)
      yield* onCall.end
      onCall.callNow()
      assert.strictEqual(rounds, 4)
    })
  )

  it.scoped("goes on after work that died if it is told how to recover, and is done for if not", () =>
    Effect.gen(function* () {
      for (const recovers of [true, false]) {
        let rounds = 0
        const causes: Array<string> = []
        const work = () => {
          rounds += 1
          if (rounds === 1) throw new Error("bug")
          return rounds === 2 ? Effect.dieMessage("another bug") : Effect.void
        }
        const recover = (cause: Cause.Cause<never>) =>
          Effect.zipRight(
            Effect.sync(() => void causes.push(Cause.pretty(cause).split("\n")[0] ?? "")),
            Effect.sleep("1 second")
          )
        const onCall = new OnCall(yield* roster, {}, work, recovers ? recover : undefined)
        onCall.call()
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(rounds, recovers ? 3 : 1)
        assert.deepStrictEqual(causes, recovers ? ["Error: bug", "RuntimeException: another bug"] : [])
        onCall.call()
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(rounds, recovers ? 4 : 1)
      }
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

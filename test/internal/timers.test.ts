import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { makeClockwork, type Timer } from "../../src/internal/timers.ts"

const scene = Effect.gen(function* () {
  const rung: Array<number> = []
  const timers = yield* (yield* makeClockwork).within(yield* Effect.scope)
  const alarm = timers.make(() => Effect.sync(() => void rung.push(timers.clock.unsafeCurrentTimeMillis())))
  const setAt = (time: number) => alarm.setIn(time - timers.clock.unsafeCurrentTimeMillis())
  return { alarm, rung, setAt }
})

describe("a timer", () => {
  it.scoped("rings at its time and not before, once", () =>
    Effect.gen(function* () {
      const { rung, setAt } = yield* scene
      setAt(1000)
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
      const { alarm, rung, setAt } = yield* scene
      setAt(1000)
      yield* TestClock.adjust("1 millis")
      setAt(500)
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(rung, [500])
      setAt(600)
      yield* TestClock.adjust("1 millis")
      setAt(700)
      yield* TestClock.adjust("150 millis")
      assert.deepStrictEqual(rung, [500])
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(rung, [500, 700])
      setAt(800)
      alarm.unset()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(rung, [500, 700])
      setAt(1)
      yield* TestClock.adjust(0)
      assert.strictEqual(rung.length, 3)
    })
  )

  it.scoped("keeps a time that is further away than a timer of JavaScript reaches", () =>
    Effect.gen(function* () {
      const { rung, setAt } = yield* scene
      setAt(2 ** 32)
      yield* TestClock.setTime(2 ** 32 - 1)
      assert.deepStrictEqual(rung, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(rung, [2 ** 32])
    })
  )
})

/** Shows a time that is earlier than another by so little that no duration tells them apart, and holds who sleeps for ever. */
const standing = (slept: Array<Duration.Duration>): Clock.Clock => ({
  ...Clock.make(),
  unsafeCurrentTimeMillis: () => 312.563928,
  unsafeCurrentTimeNanos: () => 312_563_928n,
  sleep: (duration) => {
    slept.push(duration)
    return slept.length < 10 && Duration.equals(duration, Duration.zero) ? Effect.void : Effect.never
  }
})

describe("timers of one clockwork", () => {
  it.scoped("wait for a time that is all but reached, and do not go round until it is", () => {
    const slept: Array<Duration.Duration> = []
    return Effect.gen(function* () {
      const timers = yield* (yield* makeClockwork).within(yield* Effect.scope)
      timers.make(() => Effect.dieMessage("it is early")).setIn(6e-14)
      yield* Effect.repeatN(Effect.yieldNow(), 100)
      assert.deepStrictEqual(slept.map(Duration.format), ["1ns"])
    }).pipe(Effect.withClock(standing(slept)))
  })

  it.scoped("have a fiber begin only for what comes before everything else", () => {
    const slept: Array<Duration.Duration> = []
    const still: Clock.Clock = { ...standing(slept), unsafeCurrentTimeNanos: () => 0n }
    return Effect.gen(function* () {
      const timers = yield* (yield* makeClockwork).within(yield* Effect.scope)
      for (const at of [50, 60, 40, 45, 70, 10]) {
        timers.make(() => Effect.void).setIn(at)
        yield* Effect.repeatN(Effect.yieldNow(), 10)
      }
      assert.deepStrictEqual(slept.map(Duration.toMillis), [50, 40, 10])
    }).pipe(Effect.withClock(still))
  })

  it.scoped("take turns with one fiber where none is to wake before another", () =>
    Effect.gen(function* () {
      const sleepers = new Set<unknown>()
      let ended = 0
      const clock = yield* Clock.clockWith(Effect.succeed)
      const noting: Clock.Clock = {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeMillis: clock.currentTimeMillis,
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) =>
          Effect.withFiberRuntime((fiber) => {
            if (!sleepers.has(fiber)) fiber.addObserver(() => void (ended += 1))
            sleepers.add(fiber)
            return clock.sleep(duration)
          })
      }
      const clockwork = yield* Effect.withClock(makeClockwork, noting)
      const timers = yield* clockwork.within(yield* Effect.scope)
      let rung = 0
      const ringIn = (millis: number) => timers.make(() => Effect.sync(() => void (rung += 1))).setIn(millis)
      const ringTwenty = Effect.gen(function* () {
        for (let time = 0; time < 20; time += 1) {
          ringIn(1)
          yield* TestClock.adjust("1 millis")
        }
      })
      yield* ringTwenty
      assert.deepStrictEqual([rung, sleepers.size, ended], [20, 1, 0])
      ringIn(30)
      ringIn(2)
      yield* TestClock.adjust("30 millis")
      yield* ringTwenty
      // One of the two rests, and the other is over.
      assert.deepStrictEqual([rung, sleepers.size, ended], [42, 2, 1])
      const again: Timer = timers.make(() => {
        again.setIn(3)
        return Effect.void
      })
      again.setIn(3)
      ringIn(1000)
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual([sleepers.size, ended], [2, 1])
    })
  )

  it.scoped("ring each at its own time, however they were set", () =>
    Effect.gen(function* () {
      const rung: Array<string> = []
      const timers = yield* (yield* makeClockwork).within(yield* Effect.scope)
      const set = (at: number) =>
        timers
          .make(() => Effect.sync(() => void rung.push(`${at} at ${timers.clock.unsafeCurrentTimeMillis()}`)))
          .setIn(at - timers.clock.unsafeCurrentTimeMillis())
      for (const at of [50, 10, 40, 10, 30, 20]) set(at)
      yield* TestClock.adjust("45 millis")
      assert.deepStrictEqual(rung, ["10 at 10", "10 at 10", "20 at 20", "30 at 30", "40 at 40"])
      set(46)
      yield* TestClock.adjust("5 millis")
      assert.deepStrictEqual(rung.slice(5), ["46 at 46", "50 at 50"])
    })
  )

  it.scoped("do not wait for each other, and none rings again before it is done", () =>
    Effect.gen(function* () {
      const done = yield* Deferred.make<void>()
      const rung: Array<string> = []
      const timers = yield* (yield* makeClockwork).within(yield* Effect.scope)
      const slow = timers.make(() =>
        Effect.zipRight(
          Effect.sync(() => void rung.push("slow")),
          Deferred.await(done)
        )
      )
      slow.setIn(10)
      timers.make(() => Effect.sync(() => void rung.push("other"))).setIn(20)
      yield* TestClock.adjust("20 millis")
      slow.setIn(10)
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual(rung, ["slow", "other"])
      yield* Deferred.succeed(done, undefined)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(rung, ["slow", "other", "slow"])
    })
  )

  it.scoped("end with their scope, and with them what they do", () =>
    Effect.gen(function* () {
      const rung: Array<string> = []
      const clockwork = yield* makeClockwork
      const scope = yield* Scope.make()
      const timers = yield* clockwork.within(scope)
      const interrupted = yield* Deferred.make<void>()
      const forever = Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      timers.make(() => forever).setIn(10)
      const later = timers.make(() => Effect.sync(() => void rung.push("later")))
      later.setIn(20)
      yield* TestClock.adjust("10 millis")
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.await(interrupted)
      later.setIn(20)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(rung, [])
    })
  )

  it.scoped("are watched by one fiber, however many there are", () =>
    Effect.gen(function* () {
      const timers = yield* (yield* makeClockwork).within(yield* Effect.scope)
      for (let at = 1000; at < 2000; at += 1) timers.make(() => Effect.void).setIn(at)
      yield* TestClock.adjust("1 millis")
      assert.isBelow((yield* TestClock.sleeps()).length, 3)
    })
  )
})

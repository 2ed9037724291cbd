import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import * as RelayKeeper from "../../../src/layers/libp2p/relayKeeper.ts"

/** Draws the same number each time: with the highest every wait is as long as it can be. */
const drawing = (next: number): Random.Random => ({
  ...Random.make("relayKeeper"),
  next: Effect.succeed(next)
})

/** A relay that answers as told, or never; it tells when it was asked, in seconds. */
const start = (answers: ReadonlyArray<"no" | "yes" | "never">, draw = 0.999_999) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    let asking = 0
    let mostAtOnce = 0
    const losses = yield* Mailbox.make<void>()
    const answer = (): Effect.Effect<void, RelayKeeper.RelayFailed> => {
      switch (answers[times.length - 1] ?? answers.at(-1)) {
        case "yes":
          return Effect.void
        case "never":
          return Effect.never
        default:
          return Effect.fail(new RelayKeeper.RelayFailed({ code: "ECONNREFUSED" }))
      }
    }
    const reserve = Effect.gen(function* () {
      times.push((yield* Clock.currentTimeMillis) / 1000)
      mostAtOnce = Math.max(mostAtOnce, ++asking)
      yield* Effect.ensuring(
        Effect.suspend(answer),
        Effect.sync(() => asking--)
      )
    })
    const keeper = RelayKeeper.make({ name: "relay", reserve, lost: Effect.orDie(losses.take) })
    yield* Effect.forkScoped(Effect.withRandom(keeper.run, drawing(draw)))
    yield* TestClock.adjust(0)
    return { wake: keeper.wake, lose: losses.offer(undefined), times, mostAtOnce: () => mostAtOnce }
  })

const whole = (times: ReadonlyArray<number>) => times.map(Math.ceil)

describe("keeping a place at a relay", () => {
  it.scoped("asks at once, then with waits that double from 5 s to 60 s, for ever", () =>
    Effect.gen(function* () {
      const { times } = yield* start(["no"])
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(whole(times), [0, 5, 15, 35, 75, 135, 195, 255])
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(times, 68)
    })
  )

  it.scoped("draws each wait anew, from nothing to the longest", () =>
    Effect.gen(function* () {
      const { times } = yield* start(["no"], 0.5)
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(times, [0, 2.5, 7.5, 17.5, 37.5])
    })
  )

  it.scoped("begins with the shortest wait again once there was a place", () =>
    Effect.gen(function* () {
      const { lose, times } = yield* start(["no", "no", "yes", "no", "no", "yes"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(whole(times), [0, 5, 15])
      yield* lose
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(whole(times), [0, 5, 15, 65, 75, 95])
    })
  )

  it.scoped("ends a wait when it is woken, and starts the waits anew", () =>
    Effect.gen(function* () {
      const { times, wake } = yield* start(["no"])
      yield* TestClock.adjust("80 seconds")
      assert.deepStrictEqual(whole(times), [0, 5, 15, 35, 75])
      yield* wake
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(whole(times), [0, 5, 15, 35, 75, 80, 85])
    })
  )

  it.scoped("makes sure of the place when it is woken, and leaves it at that", () =>
    Effect.gen(function* () {
      const { times, wake } = yield* start(["yes"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(times, [0])
      yield* wake
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(times, [0, 3600])
    })
  )

  it.scoped("never asks twice at once, however often it is woken", () =>
    Effect.gen(function* () {
      const { mostAtOnce, times, wake } = yield* start(["never"])
      yield* wake
      yield* wake
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([mostAtOnce(), times.length], [1, 1])
    })
  )
})

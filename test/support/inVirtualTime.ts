import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as VirtualTime from "../../src/testing/VirtualTime.ts"

/** Runs an effect in a time of its own, for as much of it as it needs up to `limit`; gives nothing if it does not end by then. */
export const inVirtualTime =
  (seed: string, limit: "10 minutes" | "1 day") =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Option.Option<A>, E> => {
    const run = Effect.gen(function* () {
      const time = yield* VirtualTime.make
      const fiber = yield* Effect.fork(time.within(effect))
      const ended = yield* time.run(() => fiber.unsafePoll() !== null, limit)
      yield* time.end
      if (ended) return Option.some(yield* Fiber.join(fiber))
      yield* Fiber.interruptFork(fiber)
      return Option.none()
    })
    return Effect.withRandom(Effect.scoped(run), Random.make(seed))
  }

import * as Effect from "effect/Effect"

/**
 * Runs an effect again and again until it fails or is interrupted. Unlike with `Effect.forever` no turn of the scheduler is given away
 * between two runs: the effect must wait for something by itself.
 *
 * @internal
 */
export const endlessly = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<never, E, R> =>
  Effect.zipRight(
    Effect.whileLoop({
      while: () => true,
      body: () => effect,
      step: () => {}
    }),
    Effect.never
  )

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * Whether an effect is done already, and went well: then there is nothing to run.
 *
 * @internal
 */
export const isDone = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, never> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/**
 * `Effect.flatMap`, at once where the effect is done already. A step of Effect's run loop costs more than most of what a message is
 * put through, so what needs no waiting is not to be made one.
 *
 * @internal
 */
export const andThen = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  next: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> => (isDone(effect) ? next(effect.value) : Effect.flatMap(effect, next))

/**
 * An effect that may fail to be made: what throws instead of giving one has died of it.
 *
 * @internal
 */
export const made = <A, E, R>(make: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  try {
    return make()
  } catch (defect) {
    return Effect.die(defect)
  }
}

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"

/**
 * Runs `effect` in a changed environment, in a third of the steps of `Effect.mapInputContext`: each transaction does it. To be used
 * where nothing can be interrupted but what `effect` itself restores.
 *
 * @internal
 */
export const inContext = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  change: (context: Context.Context<never>) => Context.Context<never>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime(({ currentContext }) => {
    const back = FiberRef.set(FiberRef.currentContext, currentContext)
    return Effect.flatMap(FiberRef.set(FiberRef.currentContext, change(currentContext)), () =>
      Effect.matchCauseEffect(effect, {
        onFailure: (cause) => Effect.zipRight(back, Effect.failCause(cause)),
        onSuccess: (value) => Effect.as(back, value)
      })
    )
  })

/**
 * `Effect.provideService`, in a third of its steps, where `inContext` can be used.
 *
 * @internal
 */
export function provideService<A, E, R, I, S>(
  effect: Effect.Effect<A, E, R>,
  tag: Context.Tag<I, S>,
  service: S
): Effect.Effect<A, E, Exclude<R, I>>
// The compiler cannot see that what is added to the environment is asked of it no more.
export function provideService<A, E, I, S>(
  effect: Effect.Effect<A, E, unknown>,
  tag: Context.Tag<I, S>,
  service: S
): Effect.Effect<A, E, unknown> {
  return inContext(effect, Context.add(tag, service))
}

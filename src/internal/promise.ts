import * as Effect from "effect/Effect"

/**
 * Runs a promise that can be aborted. Interruption aborts it and does not wait for it. A value that it yields goes to exactly one
 * of two: to `taken`, at once and whatever happens to the fiber next, or to `late`, which disposes of it, when the fiber has
 * been interrupted before.
 *
 * @internal
 */
export const acquireAbortable = <A, E>(
  acquire: (signal: AbortSignal) => Promise<A>,
  onError: (cause: unknown) => E,
  handlers: { readonly taken: (value: A) => void; readonly late: (value: A) => void }
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) => {
    let pending: Promise<A> | undefined
    return restore(Effect.tryPromise({ try: (signal) => (pending = acquire(signal)), catch: onError })).pipe(
      // An abandoned promise that fails has nothing to dispose of.
      Effect.onInterrupt(() => Effect.sync(() => void pending?.then(handlers.late, () => undefined))),
      Effect.tap((value) => Effect.sync(() => handlers.taken(value)))
    )
  })

import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/**
 * One of several ways to the same thing.
 *
 * @internal
 */
export interface Attempt<A, E> {
  readonly run: Effect.Effect<A, E>
  /** How long it may take before the next attempt starts beside it. */
  readonly grace: Duration.Duration
  /** Lets go of what it has acquired; called when it fails, is interrupted, or succeeds too late. */
  readonly release: () => void
}

/**
 * Tries the attempts in order, the next one when the one before fails or uses up its grace. The first success is handed to
 * `use`, which no interruption comes before; the other attempts are interrupted and released. Fails with the last failure when
 * all fail, and at once with a final one; `watch` ends everything by failing with such a one.
 *
 * @internal
 */
export const staggered = <A, B, E, E2, R>(
  attempts: NonEmptyReadonlyArray<Attempt<A, E>>,
  options: {
    readonly isFinal: (error: E) => boolean
    readonly watch: Effect.Effect<never, E>
    readonly use: (value: A) => Effect.Effect<B, E2, R>
  }
): Effect.Effect<B, E | E2, R> =>
  Effect.uninterruptibleMask((restore) => {
    const exits: Array<{ readonly exit: Exit.Exit<A, E>; readonly release: () => void }> = []
    const news = Effect.unsafeMakeLatch()
    const fork = (effect: Effect.Effect<A, E>, release: () => void) =>
      Effect.forkScoped(
        Effect.onExit(Effect.interruptible(effect), (exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) release()
            exits.push({ exit, release })
            news.unsafeOpen()
          })
        )
      )
    const releaseRest = Effect.sync(() => exits.forEach(({ exit, release }) => Exit.isSuccess(exit) && release()))

    const first = Effect.gen(function* () {
      yield* Effect.addFinalizer(() => releaseRest)
      yield* fork(options.watch, () => undefined)
      let started = 0
      let failed = 0
      while (true) {
        const attempt = attempts[started]
        if (attempt !== undefined) {
          yield* fork(attempt.run, attempt.release)
          started++
        }
        const hurries = attempt !== undefined && started < attempts.length
        yield* restore(hurries ? Effect.timeoutOption(news.await, attempt.grace) : news.await)
        news.unsafeClose()
        for (let next = exits.shift(); next !== undefined; next = exits.shift()) {
          if (Exit.isSuccess(next.exit)) return next.exit.value
          failed++
          const error = Cause.failureOption(next.exit.cause)
          if (Option.isNone(error) || options.isFinal(error.value) || failed === attempts.length)
            return yield* next.exit
        }
      }
    })
    return Effect.flatMap(Effect.scoped(first), options.use)
  })

import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Pipeable from "effect/Pipeable"
import * as Scope from "effect/Scope"

type Finalizer = Scope.Scope.Finalizer

/** Runs all, the newest first, whatever becomes of one of them. */
const runAll = (finalizers: ReadonlyArray<Finalizer>, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.forEach(finalizers.toReversed(), (finalizer) => Effect.exit(finalizer(exit))),
    (ends) => Option.match(Exit.all(ends), { onNone: () => Exit.void, onSome: Exit.asVoid })
  )

/**
 * A scope with a place for one finalizer, and room for more: what `Scope.make` makes takes twenty steps to close, and each
 * transaction needs one. Its methods are those by which Effect's own functions use a scope; their types are not public.
 *
 * @internal
 */
export class SlotScope extends Pipeable.Class() implements Scope.CloseableScope {
  readonly [Scope.ScopeTypeId]: Scope.ScopeTypeId = Scope.ScopeTypeId
  readonly [Scope.CloseableScopeTypeId]: Scope.CloseableScopeTypeId = Scope.CloseableScopeTypeId
  readonly strategy = ExecutionStrategy.sequential
  #slot: Finalizer | undefined
  #rest: Array<Finalizer> | undefined
  #closed: Exit.Exit<unknown, unknown> | undefined

  addFinalizer(finalizer: Finalizer): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#closed !== undefined) return finalizer(this.#closed)
      if (this.#slot === undefined) this.#slot = finalizer
      else (this.#rest ??= []).push(finalizer)
      return Effect.void
    })
  }

  fork(strategy: ExecutionStrategy.ExecutionStrategy): Effect.Effect<Scope.CloseableScope> {
    return Effect.tap(Scope.make(strategy), (child) => this.addFinalizer((exit) => Scope.close(child, exit)))
  }

  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#closed !== undefined) return Effect.void
      this.#closed = exit
      if (this.#slot === undefined) return Effect.void
      return this.#rest === undefined ? this.#slot(exit) : runAll([this.#slot, ...this.#rest], exit)
    })
  }
}

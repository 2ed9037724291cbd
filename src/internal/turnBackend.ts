import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { StoreError } from "../errors/StoreError.ts"
import type { Restore } from "./gate.ts"

/**
 * What turns need of a store. Everything runs uninterruptibly, but for what it restores.
 *
 * @internal
 */
export interface Backend<Session> {
  /** Begins a transaction; if this fails, nothing is left open. */
  readonly begin: (restore: Restore) => Effect.Effect<Session, StoreError>
  readonly commit: (session: Session) => Effect.Effect<void, StoreError>
  readonly rollback: (session: Session) => Effect.Effect<void>
  /** Gives back what `begin` took, after the commit or the rollback. */
  readonly end: (session: Session) => Effect.Effect<void>
  /** Undefined says that it is done. */
  readonly savepoint: (session: Session, depth: number) => Effect.Effect<void, StoreError> | undefined
  /** Undefined says that it is done. */
  readonly release: (session: Session, depth: number) => Effect.Effect<void, StoreError> | undefined
  readonly rollbackTo: (session: Session, depth: number) => Effect.Effect<void, StoreError>
  /**
   * Something failed, and the store may have ended the transaction by itself: sees to it that nothing is written
   * outside of one.
   */
  readonly contain: (session: Session) => Effect.Effect<void>
  /** Makes `turn` part of the transaction, as far as the turn's environment has to know of it. */
  readonly within: (session: Session) => <A, E, R>(turn: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Reads outside of a transaction. */
  readonly peek: <A>(
    restore: Restore,
    read: (session: Session) => Effect.Effect<A, StoreError>
  ) => Effect.Effect<A, StoreError>
  /** The transaction that somebody else began around the caller, if it is not `own`. */
  readonly stranger: (context: Context.Context<never>, own: Session | undefined) => Session | undefined
}

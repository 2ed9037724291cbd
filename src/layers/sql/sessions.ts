import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import { StoreUnavailableError, type StoreError } from "../../errors/StoreError.ts"
import type { Restore } from "../../internal/gate.ts"
import { inContext } from "../../internal/inContext.ts"
import type { Backend } from "../../internal/turnBackend.ts"
import { storeError } from "./errors.ts"
import { makeSavepoints, type Savepoints } from "./savepoints.ts"
import type { Statements } from "./statements.ts"

type Tuple = readonly [conn: Connection, depth: number]

/**
 * A connection, and what makes statements of `SqlClient` run on it.
 *
 * @internal
 */
export interface Session {
  readonly connection: Connection
  readonly tuple: Tuple
  readonly savepoints: Savepoints
  readonly scope: Scope.CloseableScope | undefined
}

const sessionOn = (raw: Connection, scope: Scope.CloseableScope): Session => {
  const savepoints = makeSavepoints(raw)
  const { connection } = savepoints
  return { connection, tuple: [connection, 0], savepoints, scope }
}

/** What this library put into an environment: left over in one, it is nobody else's transaction. */
const ours = new WeakSet<Tuple>()

/** `SqliteClient` remembers for minutes that a statement could not be prepared, even if it was only busy. */
const unprepared = (connection: Connection, sql: string, params: ReadonlyArray<unknown>) =>
  Effect.try({
    try: () => connection.executeUnprepared(sql, params, undefined),
    catch: (cause) => new SqlError({ cause, message: "Failed to prepare statement" })
  }).pipe(Effect.flatten)

const isPrepareError = (error: SqlError) => error.message.startsWith("Failed to prepare")

/**
 * Runs a statement on the session's connection, whatever the environment says. `operation` completes "the store could
 * not …".
 *
 * @internal
 */
export const execute = (
  { connection }: Session,
  operation: string,
  sql: string,
  params: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<unknown>, StoreError> =>
  Effect.catchAll(connection.execute(sql, params, undefined), (error) =>
    isPrepareError(error)
      ? Effect.mapError(unprepared(connection, sql, params), (again) => storeError(operation, again))
      : Effect.fail(storeError(operation, error))
  )

/** PostgreSQL answers the COMMIT of a transaction in which a statement failed with success and "ROLLBACK". */
const commitOf = ({ connection }: Session, commit: string): Effect.Effect<void, StoreError> =>
  connection.executeRaw(commit, []).pipe(
    Effect.mapError((error) => storeError("commit", error)),
    Effect.flatMap((result) =>
      Predicate.hasProperty(result, "command") && result.command === "ROLLBACK"
        ? new StoreUnavailableError({
            operation: "commit",
            reason: "Failed",
            cause: new Error("a statement had failed, so the database rolled back")
          })
        : Effect.void
    )
  )

const leftOpen = "within a transaction"

/** `SqlClient.withTransaction` leaves its transaction open when its commit fails. Nobody owns that one any more. */
const beginOn = (session: Session, { begin, rollback }: Statements): Effect.Effect<unknown, StoreError> =>
  Effect.catchTag(execute(session, "begin a transaction", begin, []), "StoreUnavailableError", (error) =>
    Predicate.hasProperty(error.cause, "cause") && String(error.cause.cause).includes(leftOpen)
      ? Effect.zipRight(execute(session, "roll back", rollback, []), execute(session, "begin a transaction", begin, []))
      : Effect.fail(error)
  )

/**
 * Turns on a `SqlClient`: statements of the host in a turn are part of it.
 *
 * @internal
 */
export const makeBackend = (
  sql: SqlClient.SqlClient,
  statements: Statements,
  stillOurs: (session: Session) => Effect.Effect<void, StoreError>
): Backend<Session> => {
  const reserve = (restore: Restore, scope: Scope.CloseableScope) =>
    restore(Scope.extend(sql.reserve, scope)).pipe(
      Effect.mapError((error) => storeError("take a connection", error)),
      Effect.map((connection) => sessionOn(connection, scope))
    )
  const end = ({ scope }: Session) => (scope === undefined ? Effect.void : Scope.close(scope, Exit.void))
  const textAt = (statement: (depth: number) => string) => {
    const texts: Array<string> = []
    return (depth: number) => (texts[depth] ??= statement(depth))
  }
  const nesting = (statement: (depth: number) => string, operation: string) => {
    const text = textAt(statement)
    return (session: Session, depth: number) => execute(session, operation, text(depth), [])
  }
  const rollbackTo = nesting(statements.rollbackTo, "roll back a nested transaction")
  const release = nesting(statements.release, "end a nested transaction")
  const savepoint = textAt(statements.savepoint)
  // If it fails, the database has rolled back already, or the connection is lost and with it the transaction.
  const rollback = (session: Session) =>
    Effect.suspend(() => {
      session.savepoints.clear()
      return Effect.ignore(execute(session, "roll back", statements.rollback, []))
    })

  return {
    begin: (restore) =>
      Effect.flatMap(Scope.make(), (scope) =>
        reserve(restore, scope).pipe(
          Effect.tap((session) => beginOn(session, statements)),
          Effect.tap((session) => Effect.onError(stillOurs(session), () => rollback(session))),
          Effect.onError(() => Scope.close(scope, Exit.void))
        )
      ),
    commit: (session) => commitOf(session, statements.commit),
    rollback,
    end,
    savepoint: ({ savepoints }, depth) => {
      savepoints.owe(savepoint(depth))
      return undefined
    },
    release: (session, depth) => (session.savepoints.cancel() ? undefined : Effect.asVoid(release(session, depth))),
    rollbackTo: (session, depth) =>
      Effect.suspend(() =>
        session.savepoints.cancel()
          ? Effect.void
          : Effect.asVoid(Effect.zipRight(rollbackTo(session, depth), release(session, depth)))
      ),
    contain: (session) =>
      statements.contain === undefined
        ? Effect.void
        : Effect.ignore(execute(session, "begin a transaction", statements.contain, [])),
    within:
      ({ tuple }) =>
      (turn) => {
        ours.add(tuple)
        return inContext(turn, Context.add(SqlClient.TransactionConnection, tuple))
      },
    peek: (restore, read) =>
      Effect.flatMap(Scope.make(), (scope) =>
        Effect.flatMap(reserve(restore, scope), (session) => restore(read(session))).pipe(
          Effect.ensuring(Scope.close(scope, Exit.void))
        )
      ),
    stranger: (context, own) => {
      const tuple = Context.getOption(context, SqlClient.TransactionConnection)
      if (tuple._tag === "None" || tuple.value === own?.tuple || ours.has(tuple.value)) return undefined
      const [connection] = tuple.value
      return { connection, tuple: tuple.value, savepoints: makeSavepoints(connection), scope: undefined }
    }
  }
}

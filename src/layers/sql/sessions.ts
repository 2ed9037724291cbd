import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constVoid, identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import { StoreUnavailableError, type StoreError } from "../../errors/StoreError.ts"
import type { Restore } from "../../internal/gate.ts"
import { inContext, provideService } from "../../internal/inContext.ts"
import { SlotScope } from "../../internal/slotScope.ts"
import type { Backend } from "../../internal/turnBackend.ts"
import { storeError } from "./errors.ts"
import { letGo, type Preparing } from "./prepared.ts"
import { makeSavepoints, type Savepoints } from "./savepoints.ts"
import type { Dialect, Statements } from "./statements.ts"

type Tuple = readonly [conn: Connection, depth: number]

/**
 * A connection, and what makes statements of `SqlClient` run on it.
 *
 * @internal
 */
export interface Session {
  /** Sets the savepoints that are owed before it runs a statement. */
  readonly connection: Connection
  /** The same one without that, for where none can be owed. */
  readonly raw: Connection
  readonly preparing: Preparing
  readonly tuple: Tuple
  readonly savepoints: Savepoints
  readonly scope: SlotScope | undefined
}

const sessionOn = (raw: Connection, preparing: Preparing, scope: SlotScope): Session => {
  const savepoints = makeSavepoints(raw)
  const { connection } = savepoints
  return { connection, raw, preparing, tuple: [connection, 0], savepoints, scope }
}

/** What this library put into an environment: left over in one, it is nobody else's transaction. */
const ours = new WeakSet<Tuple>()

/** `SqliteClient` remembers for minutes that a statement could not be prepared, even if it was only busy. */
const executeUnprepared = (connection: Connection, sql: string, params: ReadonlyArray<unknown>) =>
  Effect.try({
    try: () => connection.executeUnprepared(sql, params, undefined),
    catch: (cause) => new SqlError({ cause, message: "Failed to prepare statement" })
  }).pipe(Effect.flatten)

const isPrepareError = (error: SqlError) => error.message.startsWith("Failed to prepare")

/** Runs a statement in the client's own way, after the savepoints that are owed. */
const executeOn = (connection: Connection, operation: string, sql: string, params: ReadonlyArray<unknown>) =>
  Effect.catchAll(connection.execute(sql, params, undefined), (error) =>
    isPrepareError(error)
      ? Effect.mapError(executeUnprepared(connection, sql, params), (again) => storeError(operation, again))
      : Effect.fail(storeError(operation, error))
  )

/**
 * Runs a statement on the session's connection, whatever the environment says, and takes from its rows what is wanted.
 * `operation` completes "the store could not …". Written for few steps: on an idle line this is run for each message.
 *
 * @internal
 */
export const executeFor = <A>(
  { connection, preparing, raw, savepoints }: Session,
  operation: string,
  sql: string,
  params: ReadonlyArray<unknown>,
  wanted: (rows: ReadonlyArray<unknown>) => A
): Effect.Effect<A, StoreError> =>
  Effect.suspend(() => {
    const prepared = savepoints.areOwed() ? undefined : preparing.take(raw, sql, params)
    if (prepared === undefined) return Effect.map(executeOn(connection, operation, sql, params), wanted)
    return Effect.matchCauseEffect(prepared.run, {
      onFailure: (cause) => {
        letGo(prepared)
        return Effect.failCause(Cause.map(cause, (error) => storeError(operation, error)))
      },
      onSuccess: (rows) => {
        letGo(prepared)
        return Effect.succeed(wanted(rows))
      }
    })
  })

/**
 * `executeFor` all rows.
 *
 * @internal
 */
export const execute = (
  session: Session,
  operation: string,
  sql: string,
  params: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<unknown>, StoreError> => executeFor(session, operation, sql, params, identity)

/** PostgreSQL answers the COMMIT of a transaction in which a statement failed with success and "ROLLBACK". */
const commitPg = ({ connection }: Session, commit: string): Effect.Effect<void, StoreError> =>
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

const end = ({ scope }: Session): Effect.Effect<void> => (scope === undefined ? Effect.void : scope.close(Exit.void))

/** Takes a connection for `use`, which gives it back itself when it succeeds. */
const lending =
  (sql: SqlClient.SqlClient, preparing: Preparing) =>
  <A>(restore: Restore, use: (session: Session) => Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
    Effect.suspend(() => {
      const scope = new SlotScope()
      const giveBack = (cause: Cause.Cause<StoreError>) =>
        Effect.zipRight(scope.close(Exit.void), Effect.failCause(cause))
      return Effect.matchCauseEffect(provideService(restore(sql.reserve), Scope.Scope, scope), {
        onFailure: (cause) => giveBack(Cause.map(cause, (error) => storeError("take a connection", error))),
        onSuccess: (raw) => Effect.catchAllCause(use(sessionOn(raw, preparing, scope)), giveBack)
      })
    })

/**
 * Turns on a `SqlClient`: statements of the host in a turn are part of it.
 *
 * @internal
 */
export const makeBackend = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  preparing: Preparing,
  statements: Statements,
  stillOurs: (session: Session) => Effect.Effect<void, StoreError>
): Backend<Session> => {
  const withConnection = lending(sql, preparing)
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
      withConnection(restore, (session) =>
        Effect.flatMap(beginOn(session, statements), () =>
          Effect.matchCauseEffect(stillOurs(session), {
            onFailure: (cause) => Effect.zipRight(rollback(session), Effect.failCause(cause)),
            onSuccess: () => Effect.succeed(session)
          })
        )
      ),
    commit: (session) =>
      dialect === "pg"
        ? commitPg(session, statements.commit)
        : executeFor(session, "commit", statements.commit, [], constVoid),
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
      withConnection(restore, (session) =>
        Effect.flatMap(restore(read(session)), (value) => Effect.as(end(session), value))
      ),
    stranger: (context, own) => {
      const tuple = Context.getOption(context, SqlClient.TransactionConnection)
      if (tuple._tag === "None" || tuple.value === own?.tuple || ours.has(tuple.value)) return undefined
      const [raw] = tuple.value
      const savepoints = makeSavepoints(raw)
      return { connection: raw, raw, preparing, tuple: tuple.value, savepoints, scope: undefined }
    }
  }
}

/**
 * PostgreSQL itself, in this process (PGlite is its WebAssembly build), behind a `SqlClient` that behaves as
 * `@effect/sql-pg` does: 64-bit numbers come as text, and the result of a statement has its command.
 */
import { PGlite, types } from "@electric-sql/pglite"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"

type Row = Record<string, unknown>

/** It takes about 2 s to start, so one serves a whole file of tests, each in a schema of its own. */
export const makeServer = Effect.acquireRelease(
  Effect.promise(() => PGlite.create({ parsers: { [types.INT8]: (text) => text } })),
  (server) => Effect.promise(() => server.close())
)

const compiler = Statement.makeCompiler({
  dialect: "pg",
  placeholder: (index) => `$${index}`,
  onIdentifier: Statement.defaultEscape('"'),
  onCustom: () => ["", []],
  onRecordUpdate: () => ["", []]
})

const connectionTo = (server: PGlite): Connection => {
  const query = (sql: string, params: ReadonlyArray<unknown>, rowMode: "object" | "array" = "object") =>
    Effect.tryPromise({
      try: () => server.query<Row>(sql, [...params], { rowMode }),
      catch: (cause) => new SqlError({ cause, message: "Failed to execute statement" })
    }).pipe(Effect.uninterruptible)
  const execute: Connection["execute"] = (sql, params, transform) =>
    Effect.map(query(sql, params), ({ rows }) => (transform === undefined ? rows : transform(rows)))
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: query,
    executeValues: (sql, params) => Effect.map(query(sql, params, "array"), ({ rows }) => rows.map(Object.values)),
    executeStream: () => Effect.dieMessage("not needed here")
  }
}

/** The one connection, lent to one at a time, with `schema` in front. */
const makeClient = (server: PGlite, schema: string) =>
  Effect.gen(function* () {
    const connection = connectionTo(server)
    yield* connection.executeRaw(`CREATE SCHEMA IF NOT EXISTS ${schema}`, [])
    yield* connection.executeRaw(`SET search_path TO ${schema}`, [])
    const lent = yield* Effect.makeSemaphore(1)
    const lend = Effect.uninterruptibleMask((restore) =>
      Effect.zipRight(
        restore(lent.take(1)),
        Effect.as(
          Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, lent.release(1))),
          connection
        )
      )
    )
    return yield* SqlClient.make({ acquirer: lend, transactionAcquirer: lend, compiler, spanAttributes: [] })
  })

export const layerClient = (server: PGlite, schema: string): Layer.Layer<SqlClient.SqlClient> =>
  Layer.provide(Layer.orDie(Layer.effect(SqlClient.SqlClient, makeClient(server, schema))), Reactivity.layer)

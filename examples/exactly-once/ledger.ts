/**
 * The kernel's own table, in the same file as the library's: one row for each message, in the order in which it was written.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * Opens the table, and makes it if this is the kernel's first life. Nothing in it keeps a message from being written twice:
 * that is what the run is to show. `write` joins the transaction of its caller, if there is one.
 */
export const open = Effect.fnUntraced(function* (name: "received" | "sent") {
  const sql = yield* SqlClient.SqlClient
  const table = sql(name)
  yield* sql`CREATE TABLE IF NOT EXISTS ${table} (position INTEGER PRIMARY KEY, message INTEGER NOT NULL)`
  const last = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ position: Schema.Int }),
    execute: () => sql`SELECT COALESCE(MAX(position), 0) AS position FROM ${table}`
  })
  return {
    /** How many rows are committed. */
    count: Effect.map(last(undefined), ({ position }) => position),
    write: (messages: ReadonlyArray<number>) =>
      Effect.asVoid(sql`INSERT INTO ${table} ${sql.insert(messages.map((message) => ({ message })))}`)
  }
})

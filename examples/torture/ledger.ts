/**
 * The kernel's own tables, in the same file as the library's: what it sent, what it received, what it was told about the end of
 * conversations, and what its peers said that their URLs name; each in the order in which it was written.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const tables = [
  ["sent", "number INTEGER"],
  ["received", "number INTEGER"],
  ["told", "why TEXT"],
  ["asked", "answer TEXT"]
] as const

const prepare = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.forEach(
    tables,
    ([name, column]) =>
      sql`CREATE TABLE IF NOT EXISTS ${sql(name)} (position INTEGER PRIMARY KEY, peer TEXT NOT NULL, ${sql.literal(column)} NOT NULL)`,
    { discard: true }
  ).pipe(
    Effect.zipRight(sql`CREATE INDEX IF NOT EXISTS sent_numbers ON sent (peer, number)`),
    Effect.zipRight(sql`CREATE INDEX IF NOT EXISTS received_numbers ON received (peer, number)`)
  )
)

/**
 * Opens the tables, and makes them if this is the kernel's first life. Nothing in them keeps a message from being written twice:
 * that is what a run is to show. What is written joins the transaction of its caller, if there is one.
 */
export const open = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* prepare
  const last = (table: "sent" | "received") =>
    SqlSchema.single({
      Request: Schema.String,
      Result: Schema.Struct({ number: Schema.Int }),
      execute: (peer) => sql`SELECT COALESCE(MAX(number), 0) AS number FROM ${sql(table)} WHERE peer = ${peer}`
    })
  const lastOf = { sent: last("sent"), received: last("received") }
  const told = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ times: Schema.Int }),
    execute: () => sql`SELECT COUNT(*) AS times FROM told`
  })
  return {
    /** The highest number to or from the peer; 0 if there is none. */
    last: (table: "sent" | "received", peer: string) => Effect.map(lastOf[table](peer), ({ number }) => number),
    note: (table: "sent" | "received", peer: string, numbers: ReadonlyArray<number>) =>
      Effect.asVoid(sql`INSERT INTO ${sql(table)} ${sql.insert(numbers.map((number) => ({ peer, number })))}`),
    /** How often it was told something. */
    told: Effect.map(told(undefined), ({ times }) => times),
    noteTold: (peer: string, why: string) => Effect.asVoid(sql`INSERT INTO told ${sql.insert({ peer, why })}`),
    noteAsked: (peer: string, answer: string) => Effect.asVoid(sql`INSERT INTO asked ${sql.insert({ peer, answer })}`)
  }
})

/**
 * The tables, open.
 */
export type Ledger = Effect.Effect.Success<typeof open>

/**
 * The independent check: reads what the two kernels wrote into their own tables, with plain SQL and nothing of the library.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RunFailed } from "../processes/failure.ts"

/**
 * What became of the messages. Each message is in one of `receivedOnce`, `missing` and `doubled`.
 */
export interface Verdict {
  /** How many messages alice recorded as sent. */
  readonly sent: number
  readonly receivedOnce: number
  readonly missing: number
  readonly doubled: number
  /** How many arrivals were of a message before one that had already arrived. */
  readonly outOfOrder: number
  /** How many arrivals were of a message that alice has no record of. */
  readonly neverSent: number
}

/**
 * Compares what was to be sent (1 to `messages`) with the two records, in the order in which they were written.
 */
export const compare = (messages: number, sent: ReadonlyArray<number>, received: ReadonlyArray<number>): Verdict => {
  const recorded = new Set(sent)
  const arrivals = new Map<number, number>()
  let highest = 0
  let outOfOrder = 0
  let neverSent = 0
  for (const message of received) {
    const times = arrivals.get(message) ?? 0
    arrivals.set(message, times + 1)
    if (!recorded.has(message)) neverSent++
    else if (times === 0 && message < highest) outOfOrder++
    highest = Math.max(highest, message)
  }
  let receivedOnce = 0
  let doubled = 0
  for (let message = 1; message <= messages; message++) {
    const times = arrivals.get(message) ?? 0
    if (times === 1) receivedOnce++
    if (times > 1) doubled++
  }
  return {
    sent: recorded.size,
    receivedOnce,
    missing: messages - receivedOnce - doubled,
    doubled,
    outOfOrder,
    neverSent
  }
}

/**
 * Whether every message was sent and arrived exactly once, in order, and nothing else did.
 */
export const isClean = (messages: number, verdict: Verdict): boolean =>
  verdict.sent === messages && verdict.receivedOnce === messages && verdict.outOfOrder === 0 && verdict.neverSent === 0

const Row = Schema.Struct({ message: Schema.Int })

const readAll = (table: "sent" | "received") =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    SqlSchema.findAll({
      Request: Schema.Void,
      Result: Row,
      execute: () => sql`SELECT message FROM ${sql(table)} ORDER BY position`
    })(undefined)
  ).pipe(Effect.map((rows) => rows.map((row) => row.message)))

/** The client throws where it cannot open the file, hence the defects. */
const readFile = (filename: string, table: "sent" | "received") =>
  readAll(table).pipe(
    Effect.provide(SqliteClient.layer({ filename, readonly: true, disableWAL: true })),
    Effect.catchAllDefect((defect) => Effect.fail(defect)),
    Effect.mapError((cause) => new RunFailed({ sentence: `The table ${table} in ${filename} cannot be read.`, cause }))
  )

/**
 * Opens both files, read-only, and compares their tables `sent` and `received`.
 */
export const check = (
  messages: number,
  files: { readonly alice: string; readonly bob: string }
): Effect.Effect<Verdict, RunFailed> =>
  Effect.zipWith(readFile(files.alice, "sent"), readFile(files.bob, "received"), (sent, received) =>
    compare(messages, sent, received)
  )

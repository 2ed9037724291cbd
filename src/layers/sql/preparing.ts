import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { StoreCorruptError, StoreUnavailableError, type StoreError } from "../../errors/StoreError.ts"
import { typed } from "./errors.ts"
import { migrate, migrationsTable, newestMigration } from "./migrations.ts"
import { type Preparing, preparingOn, unprepared } from "./prepared.ts"
import * as Rows from "./rows.ts"
import type { Dialect } from "./statements.ts"

/**
 * @internal
 */
export const dialectOf = (sql: SqlClient.SqlClient): Effect.Effect<Dialect> =>
  sql.onDialectOrElse({
    sqlite: () => Effect.succeed("sqlite" as const),
    pg: () => Effect.succeed("pg" as const),
    orElse: () => Effect.dieMessage("effect-remotes: RemoteStoreSql speaks SQLite and PostgreSQL only")
  })

const unmet = (setting: string) =>
  new StoreUnavailableError({
    operation: "become durable",
    reason: "Failed",
    cause: new Error(`the database did not accept the setting ${setting}`)
  })

/** A database in memory is as durable as it can be: it only knows the journal mode `memory`. */
const pragmas = [
  { name: "busy_timeout", column: "timeout", value: "5000", accepted: ["5000"] },
  { name: "journal_mode", column: "journal_mode", value: "WAL", accepted: ["wal", "memory"] },
  { name: "synchronous", column: "synchronous", value: "FULL", accepted: ["2"] },
  { name: "fullfsync", column: "fullfsync", value: "ON", accepted: ["1"] }
]

/** Makes a commit of SQLite mean that it is on the disk, and checks that it does. */
const beDurableSqlite = (sql: SqlClient.SqlClient) =>
  Effect.forEach(
    pragmas,
    ({ accepted, column, name, value }) =>
      Effect.gen(function* () {
        yield* sql.unsafe(`PRAGMA ${name} = ${value}`)
        const [row] = yield* sql.unsafe<Record<string, unknown>>(`PRAGMA ${name}`)
        if (!accepted.includes(String(row?.[column]))) return yield* unmet(`${name} = ${value}`)
      }),
    { discard: true }
  )

/** Connections come and go, so that the setting is the database's business; one that loses commits is refused. */
const beDurablePg = (sql: SqlClient.SqlClient) =>
  Effect.flatMap(sql.unsafe<Record<string, unknown>>("SHOW synchronous_commit"), ([row]) =>
    row?.["synchronous_commit"] === "off" ? unmet("synchronous_commit = on") : Effect.void
  )

const checkVersion = (sql: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    const rows = yield* sql.unsafe(`SELECT COALESCE(MAX(migration_id),0) AS newest FROM ${migrationsTable}`)
    const newest = Rows.numberIn(rows[0], "newest")
    if (newest > newestMigration) {
      return yield* new StoreCorruptError({
        where: migrationsTable,
        reason: `its tables have version ${newest}, from a later version of this library, which knows ${newestMigration}`
      })
    }
    // The migrator gives way to another process that migrates at the same time, and does not wait for it.
    if (newest < newestMigration)
      return yield* new StoreUnavailableError({ operation: "prepare its tables", reason: "Busy" })
  })

/**
 * Makes the database durable, and its tables those of this version.
 *
 * @internal
 */
export const prepareTables = (sql: SqlClient.SqlClient, dialect: Dialect) =>
  typed(
    "prepare its tables",
    Effect.gen(function* () {
      yield* dialect === "sqlite" ? beDurableSqlite(sql) : beDurablePg(sql)
      yield* migrate
      yield* checkVersion(sql)
    }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
  )

/**
 * How statements are kept prepared. PostgreSQL's clients have their own way, and many connections.
 *
 * @internal
 */
export const preparingFor = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<Preparing, StoreError> =>
  dialect === "pg"
    ? Effect.succeed(unprepared)
    : typed("prepare its statements", Effect.scoped(Effect.flatMap(sql.reserve, preparingOn)))

/**
 * The durable store on `@effect/sql`: SQLite, embedded, or PostgreSQL.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { InvalidOptionsError } from "../errors/ConfigError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import * as Declare from "../internal/options.ts"
import { makeTurns } from "../internal/turns.ts"
import { RemoteStore } from "../services/RemoteStore.ts"
import { deadLetterTable } from "./sql/deadLetters.ts"
import { openErrorIn } from "./sql/errors.ts"
import { identityTables } from "./sql/identity.ts"
import { issuedUrlTable } from "./sql/issuedUrls.ts"
import { takeOver } from "./sql/owner.ts"
import { pendingTable } from "./sql/pending.ts"
import { dialectOf, preparingFor, prepareTables } from "./sql/preparing.ts"
import { remoteTables } from "./sql/remotes.ts"
import { makeBackend } from "./sql/sessions.ts"
import { makeStatements } from "./sql/statements.ts"
import { makeTables } from "./sql/tables.ts"

/**
 * Every option and its default.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = Schema.Struct({
  maxDeadLetters: Declare.count(
    10_000,
    "how many dead letters are kept; the oldest of the peers with the most go first"
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Options = typeof Options.Type

const readOptions = Declare.decoder(Options)

const makeWith = ({ maxDeadLetters }: Options): Effect.Effect<RemoteStore["Type"], StoreError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()
    const dialect = yield* dialectOf(sql)
    yield* prepareTables(sql, dialect)
    const statements = makeStatements(dialect)
    const stillOurs = yield* takeOver(sql, dialect, statements)
    const preparing = yield* preparingFor(sql, dialect)
    const turns = makeTurns(makeBackend(sql, dialect, preparing, statements, stillOurs))
    const tables = makeTables(turns, statements, maxDeadLetters)
    return RemoteStore.of({
      transaction: turns.transaction,
      inTransaction: turns.inTransaction,
      enlist: turns.enlist,
      ...identityTables(tables),
      ...issuedUrlTable(tables),
      ...remoteTables(tables),
      ...pendingTable(tables),
      ...deadLetterTable(tables)
    })
  })

/**
 * Makes the store on the `SqlClient` in the environment; see `layer`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: typeof Options.Encoded = {}
): Effect.Effect<RemoteStore["Type"], StoreError | InvalidOptionsError, SqlClient.SqlClient> =>
  Effect.flatMap(readOptions(options), makeWith)

/**
 * Keeps everything in the database of the `SqlClient`, in tables whose names begin with `remotes_`, which it makes and
 * brings up to date. A turn's own statements on the same client commit together with it.
 *
 * One kernel uses it at a time: whoever opens it takes it over, and no further transaction of the one before commits, but
 * fails with `StoreUnavailableError` (`TakenOver`).
 *
 * With SQLite, a commit is on the disk when it returns (`journal_mode=WAL`, `synchronous=FULL`). Provide the client
 * like this, so that a file that cannot be opened is a typed error:
 *
 * ```ts
 * import { SqliteClient } from "@effect/sql-sqlite-node"
 *
 * RemoteStoreSql.layer.pipe(
 *   Layer.provideMerge(RemoteStoreSql.layerClient(SqliteClient.layer({ filename: "kernel.db" })))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RemoteStore, StoreError, SqlClient.SqlClient> = Layer.effect(
  RemoteStore,
  makeWith(Schema.decodeSync(Options)({}))
)

/**
 * `layer` with other limits.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOptions = (
  options: typeof Options.Encoded
): Layer.Layer<RemoteStore, StoreError | InvalidOptionsError, SqlClient.SqlClient> =>
  Layer.effect(RemoteStore, make(options))

/**
 * Makes a SQLite client fail with `StoreUnavailableError` (`NotWritable`, `Busy`, …) or `StoreCorruptError` where it
 * would die because its file cannot be opened or is no database. Any other defect stays one.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClient = <Out, E, R>(client: Layer.Layer<Out, E, R>): Layer.Layer<Out, E | StoreError, R> =>
  Layer.catchAllCause(client, (cause): Layer.Layer<Out, E | StoreError> => {
    const error = openErrorIn(cause)
    return error === undefined ? Layer.failCause(cause) : Layer.fail(error)
  })

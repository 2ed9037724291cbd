/**
 * The durable store on `@effect/sql`: SQLite, embedded, or PostgreSQL.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { InvalidOptionsError } from "../errors/ConfigError.ts"
import { StoreCorruptError, StoreUnavailableError, type StoreError } from "../errors/StoreError.ts"
import { fairShares } from "../internal/fairShares.ts"
import * as Declare from "../internal/options.ts"
import { makeTurns } from "../internal/turns.ts"
import { crc32 } from "../protocol/Crc32.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { RemoteStore, type PendingMessage } from "../services/RemoteStore.ts"
import { openErrorIn, typed, withoutCause } from "./sql/errors.ts"
import { migrate, migrationsTable, newestMigration } from "./sql/migrations.ts"
import * as Rows from "./sql/rows.ts"
import { execute, makeBackend, type Session } from "./sql/sessions.ts"
import { makeStatements, type BulkInsert, type Dialect, type Statements } from "./sql/statements.ts"

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

/** How many messages are measured at a time before their bodies are read. */
const measuredAtOnce = 256

/** What is left of a message that expired. */
const nothing = new Uint8Array(0)

const dialectOf = (sql: SqlClient.SqlClient): Effect.Effect<Dialect> =>
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

const prepareTables = (sql: SqlClient.SqlClient, dialect: Dialect) =>
  typed(
    "prepare its tables",
    Effect.gen(function* () {
      yield* dialect === "sqlite" ? beDurableSqlite(sql) : beDurablePg(sql)
      yield* migrate
      yield* checkVersion(sql)
    }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
  )

const insertAll = <A>(
  session: Session,
  operation: string,
  insert: BulkInsert,
  items: ReadonlyArray<A>,
  paramsOf: (item: A, index: number) => ReadonlyArray<unknown>
): Effect.Effect<void, StoreError> => {
  let done = 0
  return Effect.whileLoop({
    while: () => done < items.length,
    body: () => {
      const { rows, sql } = insert.next(items.length - done)
      const from = done
      done += rows
      const params = items.slice(from, done).flatMap((item, at) => paramsOf(item, from + at))
      return execute(session, operation, sql, params)
    },
    step: () => {}
  })
}

/** Up to which message both limits allow to read; undefined if there is none to read. */
const reachOf = (
  session: Session,
  { measurePending }: Statements,
  peer: PeerId,
  range: { readonly fromSeq: number; readonly maxMessages: number; readonly maxBytes: number }
): Effect.Effect<number | undefined, StoreError> => {
  let from = range.fromSeq
  let messages = 0
  let bytes = 0
  let reach: number | undefined
  const takes = (size: number) =>
    reach === undefined || (messages < range.maxMessages && bytes + size <= range.maxBytes)
  const measure = Effect.suspend(() => {
    const limit = Math.max(1, Math.min(measuredAtOnce, range.maxMessages - messages))
    return Effect.map(execute(session, "read pending messages", measurePending, [peer, from, limit]), (rows) => {
      for (const row of rows) {
        const size = Rows.numberIn(row, "size")
        if (!takes(size)) return false
        messages++
        bytes += size
        reach = Rows.numberIn(row, "seq")
        from = reach + 1
      }
      return rows.length === limit && messages < range.maxMessages
    })
  })
  return Effect.map(Effect.repeat(measure, { while: (more) => more }), () => reach)
}

const readPending = (
  session: Session,
  statements: Statements,
  peer: PeerId,
  range: { readonly fromSeq: number; readonly maxMessages: number; readonly maxBytes: number }
): Effect.Effect<ReadonlyArray<PendingMessage>, StoreError> =>
  Effect.gen(function* () {
    const reach = yield* reachOf(session, statements, peer, range)
    if (reach === undefined) return []
    const rows = yield* execute(session, "read pending messages", statements.readPending, [peer, range.fromSeq, reach])
    const messages: Array<PendingMessage> = []
    for (const row of rows) {
      const message = Rows.pendingIn(peer, row)
      if (message instanceof StoreCorruptError) return yield* message
      messages.push(message)
    }
    return messages
  })

/** Looks for the cap only where the numbers allow that it is exceeded; then the peers with the most letters lose their oldest. */
const trimDeadLetters = (session: Session, statements: Statements, max: number): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const operation = "trim the dead letters"
    const [row] = yield* execute(session, operation, statements.deadLetterIds, [])
    if (Rows.numberIn(row, "highest") - Rows.numberIn(row, "lowest") < max) return
    const counts = yield* Rows.lettersByPeer(yield* execute(session, operation, statements.countDeadLetters, []))
    for (const [peer, share] of fairShares(counts, max)) {
      if (share < (counts.get(peer) ?? 0)) {
        yield* execute(session, operation, statements.trimDeadLetters, [peer, peer, share])
      }
    }
  })

const makeWith = ({ maxDeadLetters }: Options): Effect.Effect<RemoteStore["Type"], StoreError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()
    const dialect = yield* dialectOf(sql)
    yield* prepareTables(sql, dialect)
    const statements = makeStatements(dialect)
    const turns = makeTurns(makeBackend(sql, statements))

    const query = <A>(
      operation: string,
      statement: string,
      params: ReadonlyArray<unknown>,
      decode: (rows: ReadonlyArray<unknown>) => Effect.Effect<A, StoreError>
    ) => turns.read((session) => Effect.flatMap(execute(session, operation, statement, params), decode))

    const change = (operation: string, statement: string, params: ReadonlyArray<unknown>) =>
      turns.write((session) => Effect.asVoid(execute(session, operation, statement, params)))

    const count = (session: Session, peer: PeerId) =>
      Effect.map(execute(session, "count pending messages", statements.countPending, [peer]), ([row]) => ({
        messages: Rows.numberIn(row, "messages"),
        bytes: Rows.numberIn(row, "bytes"),
        letters: Rows.numberIn(row, "letters")
      }))

    const trim = (session: Session) => trimDeadLetters(session, statements, maxDeadLetters)

    return RemoteStore.of({
      transaction: turns.transaction,
      inTransaction: turns.inTransaction,
      enlist: turns.enlist,

      loadIdentity: query("load the identity", statements.loadIdentity, [], (rows) =>
        Effect.map(Rows.identities(rows), Arr.head)
      ),
      saveIdentity: (it) =>
        turns.write((session) => {
          const seal = it.seal === undefined ? null : JSON.stringify(it.seal)
          const secrets = [Redacted.value(it.keySeed), it.peerId, Redacted.value(it.ocapUrlKey), it.incarnationId]
          const saved = execute(session, "save the identity", statements.saveIdentity, [...secrets, seal])
          return Effect.mapError(Effect.asVoid(saved), withoutCause)
        }),

      loadRelays: query("load the relays", statements.loadRelays, [], Rows.relays),
      saveRelays: (relays) =>
        turns.write((session) =>
          Effect.zipRight(
            execute(session, "save the relays", statements.clearRelays, []),
            insertAll(session, "save the relays", statements.addRelays, relays, (relay, place) => [
              place,
              relay.address,
              relay.lastSeen,
              relay.bootstrap ? 1 : 0
            ])
          )
        ),

      putIssuedUrl: ({ expiresAt, id, revoked }) =>
        change("put an issued URL", statements.putIssuedUrl, [id, expiresAt ?? null, revoked ? 1 : 0]),
      findIssuedUrl: (id) =>
        query("find an issued URL", statements.findIssuedUrl, [id], (rows) =>
          Effect.map(Rows.issuedUrls(rows), Arr.head)
        ),
      countIssuedUrls: query("count the issued URLs", statements.countIssuedUrls, [], ([row]) =>
        Effect.succeed(Rows.numberIn(row, "urls"))
      ),
      removeExpiredUrls: (now) => change("remove expired URLs", statements.removeExpiredUrls, [now]),
      removeRevokedUrls: change("remove revoked URLs", statements.removeRevokedUrls, []),

      listRemotes: query("list the peers", statements.listRemotes, [], Rows.remotes),
      findRemote: (peer) =>
        query("find a peer", statements.findRemote, [peer], (rows) => Effect.map(Rows.remotes(rows), Arr.head)),
      putRemote: (record) =>
        change("put a peer", statements.putRemote, [
          record.peerId,
          JSON.stringify(record.hints),
          record.incarnationId ?? null,
          record.epoch,
          record.nextSeq,
          record.sentSeq,
          record.acknowledgedSeq,
          record.baseSeq,
          record.receivedSeq
        ]),
      removeRemote: (peer) =>
        turns.write((session) =>
          Effect.zipRight(
            execute(session, "remove a peer", statements.clearPending, [peer]),
            Effect.zipRight(
              execute(session, "remove a peer", statements.clearRedemptions, [peer]),
              Effect.asVoid(execute(session, "remove a peer", statements.removeRemote, [peer]))
            )
          )
        ),

      appendPending: (peer, messages) =>
        turns.write((session) =>
          insertAll(
            session,
            "append pending messages",
            statements.appendPending,
            messages,
            ({ body, expiresAt, seq }) => [peer, seq, crc32(body), body, expiresAt ?? null]
          )
        ),
      readPending: (peer, range) => turns.read((session) => readPending(session, statements, peer, range)),
      countPending: (peer) =>
        turns.read((session) => Effect.map(count(session, peer), ({ bytes, messages }) => ({ bytes, messages }))),
      listDeadlines: (peer, afterSeq) =>
        query("list deadlines", statements.listDeadlines, [peer, afterSeq], Rows.deadlines),
      expirePending: (peer, { afterSeq, at, detail, epoch }) =>
        turns.write((session) =>
          Effect.gen(function* () {
            const operation = "expire pending messages"
            const which = [peer, afterSeq, at]
            const expired = yield* Rows.expired(yield* execute(session, operation, statements.measureExpired, which))
            if (expired.length === 0) return expired
            const kept = Math.min(expired.length, maxDeadLetters)
            const letters = [epoch, "Expired", detail, at, ...which, kept, expired.length - kept]
            yield* execute(session, operation, statements.buryExpired, letters)
            yield* execute(session, operation, statements.emptyExpired, [crc32(nothing), nothing, ...which])
            yield* trim(session)
            return expired
          })
        ),
      removePending: (peer, throughSeq) =>
        change("remove pending messages", statements.removePending, [peer, throughSeq]),

      putRedemption: ({ answer, expiresAt, peerId, replyKey, urlDigest }) =>
        change("put a redemption", statements.putRedemption, [
          peerId,
          replyKey,
          urlDigest,
          expiresAt,
          // As JSON, because not every database takes every character of what a peer may say.
          answer === undefined ? null : JSON.stringify(answer)
        ]),
      listRedemptions: (peer) => query("list redemptions", statements.listRedemptions, [peer], Rows.redemptions),
      removeRedemption: (peer, replyKey) =>
        change("remove a redemption", statements.removeRedemption, [peer, replyKey]),
      clearRedemptions: (peer) => change("remove redemptions", statements.clearRedemptions, [peer]),

      addDeadLetters: (letters) =>
        turns.write((session) =>
          Effect.zipRight(
            insertAll(session, "add dead letters", statements.addDeadLetters, letters.slice(-maxDeadLetters), (it) => [
              it.peerId,
              it.direction,
              it.epoch,
              it.seq,
              it.reason,
              it.detail,
              it.at,
              it.body
            ]),
            trim(session)
          )
        ),
      buryPending: (peer, why) =>
        turns.write((session) =>
          Effect.gen(function* () {
            const { letters, messages } = yield* count(session, peer)
            if (messages === 0) return 0
            const kept = Math.min(letters, maxDeadLetters)
            const params = [why.epoch, why.reason, why.detail, why.at, peer, kept, letters - kept]
            yield* execute(session, "bury pending messages", statements.buryPending, params)
            yield* execute(session, "bury pending messages", statements.clearPending, [peer])
            yield* trim(session)
            return messages
          })
        ),
      listDeadLetters: ({ afterId, limit }) =>
        query("list dead letters", statements.listDeadLetters, [afterId, limit], Rows.deadLetters),
      findDeadLetter: (id) =>
        query("find a dead letter", statements.findDeadLetter, [id], (rows) =>
          Effect.map(Rows.deadLetters(rows), Arr.head)
        ),
      removeDeadLetter: (id) => change("remove a dead letter", statements.removeDeadLetter, [id]),
      removeDeadLettersBefore: (at) =>
        turns.write((session) =>
          Effect.gen(function* () {
            const operation = "remove old dead letters"
            const [row] = yield* execute(session, operation, statements.countDeadLettersBefore, [at])
            const letters = Rows.numberIn(row, "letters")
            if (letters > 0) yield* execute(session, operation, statements.removeDeadLettersBefore, [at])
            return letters
          })
        )
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

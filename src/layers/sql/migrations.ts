import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/**
 * Where the migrations of this library are on record; the host's own have another table.
 *
 * @internal
 */
export const migrationsTable = "remotes_migrations"

/** The two databases call the same things by other names. */
interface Types {
  readonly integer: string
  readonly bytes: string
  readonly rising: string
  /** Rows are kept in the order of their key, where the database can. */
  readonly clustered: string
  readonly strict: string
}

const sqlite: Types = {
  integer: "INTEGER",
  bytes: "BLOB",
  rising: "INTEGER PRIMARY KEY AUTOINCREMENT",
  clustered: " WITHOUT ROWID, STRICT",
  strict: " STRICT"
}

const postgres: Types = {
  integer: "BIGINT",
  bytes: "BYTEA",
  rising: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
  clustered: "",
  strict: ""
}

const tables = ({ bytes, clustered, integer, rising, strict }: Types): ReadonlyArray<string> => [
  `CREATE TABLE remotes_identity (
    id ${integer} NOT NULL PRIMARY KEY CHECK (id = 1),
    key_seed TEXT NOT NULL,
    peer_id TEXT NOT NULL,
    ocap_url_key TEXT NOT NULL,
    incarnation_id TEXT NOT NULL
  )${strict}`,
  `CREATE TABLE remotes_relays (
    place ${integer} NOT NULL PRIMARY KEY,
    address TEXT NOT NULL,
    last_seen ${integer} NOT NULL,
    bootstrap ${integer} NOT NULL
  )${strict}`,
  `CREATE TABLE remotes_peers (
    peer_id TEXT NOT NULL PRIMARY KEY,
    hints TEXT NOT NULL,
    incarnation_id TEXT,
    epoch ${integer} NOT NULL,
    next_seq ${integer} NOT NULL,
    sent_seq ${integer} NOT NULL,
    acknowledged_seq ${integer} NOT NULL,
    base_seq ${integer} NOT NULL,
    received_seq ${integer} NOT NULL
  )${strict}`,
  `CREATE TABLE remotes_pending (
    peer_id TEXT NOT NULL,
    seq ${integer} NOT NULL,
    checksum ${integer} NOT NULL,
    body ${bytes} NOT NULL,
    PRIMARY KEY (peer_id, seq)
  )${clustered}`,
  `CREATE TABLE remotes_dead_letters (
    id ${rising},
    peer_id TEXT NOT NULL,
    direction TEXT NOT NULL,
    epoch ${integer} NOT NULL,
    seq ${integer} NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    at ${integer} NOT NULL,
    body ${bytes} NOT NULL
  )${strict}`
]

const redemptions = ({ clustered, integer }: Types): ReadonlyArray<string> => [
  `CREATE TABLE remotes_redemptions (
    peer_id TEXT NOT NULL,
    reply_key TEXT NOT NULL,
    url_digest TEXT NOT NULL,
    expires_at ${integer} NOT NULL,
    answer TEXT,
    PRIMARY KEY (peer_id, reply_key)
  )${clustered}`
]

const issuedUrls = ({ clustered, integer }: Types): ReadonlyArray<string> => [
  `CREATE TABLE remotes_issued_urls (
    id TEXT NOT NULL PRIMARY KEY,
    expires_at ${integer},
    revoked ${integer} NOT NULL
  )${clustered}`
]

const sealedIdentity = (): ReadonlyArray<string> => ["ALTER TABLE remotes_identity ADD COLUMN seal TEXT"]

const deadlines = ({ integer }: Types): ReadonlyArray<string> => [
  `ALTER TABLE remotes_pending ADD COLUMN expires_at ${integer}`
]

/** Whose letters fall out is decided by how many each peer has. */
const lettersByPeer = (): ReadonlyArray<string> => [
  "CREATE INDEX remotes_dead_letters_by_peer ON remotes_dead_letters(peer_id, id)"
]

/** Who opens the store makes the generation one higher; only the newest may write. */
const owner = ({ integer, strict }: Types): ReadonlyArray<string> => [
  `CREATE TABLE remotes_owner (
    id ${integer} NOT NULL PRIMARY KEY CHECK (id = 1),
    generation ${integer} NOT NULL
  )${strict}`,
  "INSERT INTO remotes_owner(id,generation)VALUES(1,0)"
]

/** Of what was said before nobody knows by which process. */
const senders = (): ReadonlyArray<string> => [
  "ALTER TABLE remotes_peers ADD COLUMN senders TEXT NOT NULL DEFAULT '[]'",
  "ALTER TABLE remotes_peers ADD COLUMN received_from TEXT"
]

/** Who was on record before has heard the incarnation of the identity. */
const introductions = ({ integer, strict }: Types): ReadonlyArray<string> => [
  "ALTER TABLE remotes_peers ADD COLUMN own_incarnation_id TEXT",
  `CREATE TABLE remotes_introductions (
    place ${integer} NOT NULL PRIMARY KEY,
    incarnation_id TEXT NOT NULL
  )${strict}`
]

const activity = ({ integer }: Types): ReadonlyArray<string> => [
  `ALTER TABLE remotes_peers ADD COLUMN active_at ${integer}`
]

const run = (statements: (types: Types) => ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(
      statements(sql.onDialectOrElse({ pg: () => postgres, orElse: () => sqlite })),
      (statement) => sql.unsafe(statement),
      { discard: true }
    )
  )

/** Never edit what was released: add the next number. */
const migrations: Record<string, Effect.Effect<void, unknown, SqlClient.SqlClient>> = {
  "0001_tables": run(tables),
  "0002_redemptions": run(redemptions),
  "0003_issued_urls": run(issuedUrls),
  "0004_sealed_identity": run(sealedIdentity),
  "0005_deadlines": run(deadlines),
  "0006_letters_by_peer": run(lettersByPeer),
  "0007_owner": run(owner),
  "0008_senders": run(senders),
  "0009_introductions": run(introductions),
  "0010_activity": run(activity)
}

/**
 * The number of the newest migration that this version of the library knows.
 *
 * @internal
 */
export const newestMigration = Math.max(...Object.keys(migrations).map((key) => Number.parseInt(key, 10)))

/**
 * Brings the tables up to date.
 *
 * @internal
 */
export const migrate = Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: migrationsTable })

/**
 * The databases whose SQL this library speaks.
 *
 * @internal
 */
export type Dialect = "sqlite" | "pg"

const numbered = (sql: string): string => {
  let count = 0
  return sql.replace(/\?/g, () => `$${++count}`)
}

/**
 * How many rows one INSERT takes: a power of two, and few enough for the number of variables that any SQLite allows.
 */
const maxRows = 64

/**
 * INSERTs for any number of rows, of few different lengths so that they stay prepared.
 *
 * @internal
 */
export interface BulkInsert {
  /** The statement for as many of `rows` rows as one takes, and how many those are. */
  readonly next: (rows: number) => { readonly sql: string; readonly rows: number }
}

const bulkInsert = (dialect: (sql: string) => string, table: string, columns: ReadonlyArray<string>): BulkInsert => {
  const row = `(${columns.map(() => "?").join(",")})`
  const byPower: Array<{ readonly sql: string; readonly rows: number }> = []
  for (let rows = 1; rows <= maxRows; rows *= 2) {
    const values = Array.from({ length: rows }, () => row).join(",")
    byPower.push({ sql: dialect(`INSERT INTO ${table}(${columns.join(",")})VALUES${values}`), rows })
  }
  const largest = byPower.at(-1)
  return {
    next: (rows) => {
      const it = rows >= maxRows ? largest : byPower[31 - Math.clz32(rows)]
      if (it === undefined) throw new RangeError(`cannot insert ${rows} rows`)
      return it
    }
  }
}

/**
 * Every statement of the store, as constant text in the words of the database.
 *
 * @internal
 */
export const makeStatements = (name: Dialect) => {
  const dialect = name === "pg" ? numbered : (sql: string) => sql
  /** Without the key: SQLite writes the index of a key that is set, even to what it was, so each commit would write a page more. */
  const remoteChanges =
    "hints,incarnation_id,epoch,next_seq,sent_seq,acknowledged_seq,base_seq,received_seq,senders,received_from," +
    "own_incarnation_id,active_at"
  const remote = `peer_id,${remoteChanges}`
  const letter = "peer_id,direction,epoch,seq,reason,detail,at,body"
  const newer = (columns: string) =>
    columns
      .split(",")
      .map((column) => `${column}=excluded.${column}`)
      .join(",")
  const redemptionChanges = "url_digest,expires_at,answer"
  const redemption = `peer_id,reply_key,${redemptionChanges}`
  const marks = (columns: string) =>
    columns
      .split(",")
      .map(() => "?")
      .join(",")
  const identity = "key_seed,peer_id,ocap_url_key,incarnation_id,seal"
  const integer = name === "pg" ? "BIGINT" : "INTEGER"
  const buried =
    `SELECT peer_id,'outbound',CAST(? AS ${integer}),seq,CAST(? AS TEXT),CAST(? AS TEXT),CAST(? AS ${integer}),body ` +
    "FROM remotes_pending"
  /** Ends those of a peer's pending messages above a number of which `condition` is true. */
  const ending = (condition: string) => {
    const those = `WHERE peer_id=? AND seq>? AND ${condition}`
    const some = `LIMIT CAST(? AS ${integer}) OFFSET CAST(? AS ${integer})`
    return {
      measure: dialect(`SELECT seq,length(body) AS size FROM remotes_pending ${those} ORDER BY seq`),
      bury: dialect(`INSERT INTO remotes_dead_letters(${letter}) ${buried} ${those} ORDER BY seq ${some}`),
      empty: dialect(`UPDATE remotes_pending SET checksum=?,body=?,expires_at=NULL ${those}`)
    }
  }
  return {
    begin: name === "pg" ? "BEGIN" : "BEGIN IMMEDIATE",
    /** SQLite rolls back by itself when the disk is full. Where it has not, this fails and changes nothing. */
    contain: name === "pg" ? undefined : "BEGIN",
    commit: "COMMIT",
    rollback: "ROLLBACK",
    savepoint: (depth: number) => `SAVEPOINT remotes_${depth}`,
    release: (depth: number) => `RELEASE SAVEPOINT remotes_${depth}`,
    rollbackTo: (depth: number) => `ROLLBACK TO SAVEPOINT remotes_${depth}`,

    takeOver: "UPDATE remotes_owner SET generation=generation+1 RETURNING generation",
    /** The lock keeps who takes over waiting until the transaction ends; SQLite's transactions have one already. */
    findOwner: `SELECT generation FROM remotes_owner${name === "pg" ? " FOR SHARE" : ""}`,

    loadIdentity: `SELECT ${identity} FROM remotes_identity WHERE id=1`,
    saveIdentity: dialect(
      `INSERT INTO remotes_identity(id,${identity})VALUES(1,${marks(identity)})ON CONFLICT(id)DO UPDATE SET ${newer(identity)}`
    ),
    loadRelays: "SELECT address,last_seen,bootstrap FROM remotes_relays ORDER BY place",
    clearRelays: "DELETE FROM remotes_relays",
    addRelays: bulkInsert(dialect, "remotes_relays", ["place", "address", "last_seen", "bootstrap"]),

    putIssuedUrl: dialect(
      "INSERT INTO remotes_issued_urls(id,expires_at,revoked)VALUES(?,?,?)" +
        `ON CONFLICT(id)DO UPDATE SET ${newer("expires_at,revoked")}`
    ),
    findIssuedUrl: dialect("SELECT id,expires_at,revoked FROM remotes_issued_urls WHERE id=?"),
    countIssuedUrls: "SELECT COUNT(*) AS urls FROM remotes_issued_urls",
    removeExpiredUrls: dialect("DELETE FROM remotes_issued_urls WHERE expires_at<=?"),
    removeRevokedUrls: "DELETE FROM remotes_issued_urls WHERE revoked=1",

    listRemotes: `SELECT ${remote} FROM remotes_peers ORDER BY peer_id`,
    findRemote: dialect(`SELECT ${remote} FROM remotes_peers WHERE peer_id=?`),
    putRemote: dialect(
      `INSERT INTO remotes_peers(${remote})VALUES(${marks(remote)})` +
        `ON CONFLICT(peer_id)DO UPDATE SET ${newer(remoteChanges)}`
    ),
    removeRemote: dialect("DELETE FROM remotes_peers WHERE peer_id=?"),
    loadIntroduction: dialect("SELECT incarnation_id FROM remotes_introductions WHERE place=?"),
    saveIntroduction: dialect(
      "INSERT INTO remotes_introductions(place,incarnation_id)VALUES(?,?)" +
        `ON CONFLICT(place)DO UPDATE SET ${newer("incarnation_id")}`
    ),

    appendPending: bulkInsert(dialect, "remotes_pending", ["peer_id", "seq", "checksum", "body", "expires_at"]),
    measurePending: dialect(
      "SELECT seq,length(body) AS size FROM remotes_pending WHERE peer_id=? AND seq>=? ORDER BY seq LIMIT ?"
    ),
    readPending: dialect(
      "SELECT seq,checksum,body FROM remotes_pending WHERE peer_id=? AND seq>=? AND seq<=? ORDER BY seq"
    ),
    countPending: dialect(
      "SELECT COUNT(*) AS messages,COALESCE(SUM(length(body)),0) AS bytes," +
        "COALESCE(SUM(CASE WHEN length(body)>0 THEN 1 ELSE 0 END),0) AS letters FROM remotes_pending WHERE peer_id=?"
    ),
    listDeadlines: dialect(
      "SELECT seq,expires_at FROM remotes_pending WHERE peer_id=? AND seq>? AND expires_at IS NOT NULL ORDER BY seq"
    ),
    endExpired: ending("expires_at<=?"),
    endTooLarge: ending("length(body)>?"),
    removePending: dialect("DELETE FROM remotes_pending WHERE peer_id=? AND seq<=?"),
    clearPending: dialect("DELETE FROM remotes_pending WHERE peer_id=?"),

    putRedemption: dialect(
      `INSERT INTO remotes_redemptions(${redemption})VALUES(${marks(redemption)})` +
        `ON CONFLICT(peer_id,reply_key)DO UPDATE SET ${newer(redemptionChanges)}`
    ),
    listRedemptions: dialect(
      `SELECT ${redemption} FROM remotes_redemptions WHERE peer_id=? ORDER BY expires_at,reply_key`
    ),
    removeRedemption: dialect("DELETE FROM remotes_redemptions WHERE peer_id=? AND reply_key=?"),
    clearRedemptions: dialect("DELETE FROM remotes_redemptions WHERE peer_id=?"),

    addDeadLetters: bulkInsert(dialect, "remotes_dead_letters", letter.split(",")),
    buryPending: dialect(
      `INSERT INTO remotes_dead_letters(${letter}) ${buried} WHERE peer_id=? AND length(body)>0 ` +
        `ORDER BY seq LIMIT CAST(? AS ${integer}) OFFSET CAST(? AS ${integer})`
    ),
    deadLetterIds: "SELECT COALESCE(MIN(id),0) AS lowest,COALESCE(MAX(id),0) AS highest FROM remotes_dead_letters",
    countDeadLetters: "SELECT peer_id,COUNT(*) AS letters FROM remotes_dead_letters GROUP BY peer_id",
    /** Keeps the newest letters of a peer. */
    trimDeadLetters: dialect(
      "DELETE FROM remotes_dead_letters WHERE peer_id=? AND id<=(SELECT id FROM remotes_dead_letters WHERE peer_id=? " +
        `ORDER BY id DESC LIMIT 1 OFFSET CAST(? AS ${integer}))`
    ),
    listDeadLetters: dialect(
      `SELECT id,${letter} FROM remotes_dead_letters WHERE id>? ORDER BY id LIMIT CAST(? AS ${integer})`
    ),
    findDeadLetter: dialect(`SELECT id,${letter} FROM remotes_dead_letters WHERE id=?`),
    removeDeadLetter: dialect("DELETE FROM remotes_dead_letters WHERE id=?"),
    countDeadLettersBefore: dialect("SELECT COUNT(*) AS letters FROM remotes_dead_letters WHERE at<?"),
    removeDeadLettersBefore: dialect("DELETE FROM remotes_dead_letters WHERE at<?")
  }
}

/**
 * @internal
 */
export type Statements = ReturnType<typeof makeStatements>

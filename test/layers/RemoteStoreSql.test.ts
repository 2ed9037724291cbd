import { NodeFileSystem } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { inspect } from "node:util"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { StoreError } from "../../src/errors/StoreError.ts"
import * as RemoteStoreSql from "../../src/layers/RemoteStoreSql.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"
import { alice, bob, identity, letter, messages, record, recorder, seqs } from "./RemoteStore.contract.ts"

const temporary = Effect.map(
  Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped()),
  (directory) => `${directory}/store.db`
).pipe(Effect.provide(NodeFileSystem.layer), Effect.orDie)

const layerAt = (filename: string) =>
  RemoteStoreSql.layer.pipe(
    Layer.provideMerge(RemoteStoreSql.layerClient(Layer.orDie(SqliteClient.layer({ filename }))))
  )

type Environment = RemoteStore | SqlClient.SqlClient

const test = (title: string, body: Effect.Effect<void, unknown, Environment>) =>
  it.scoped(title, () => Effect.flatMap(temporary, (filename) => Effect.provide(body, layerAt(filename))))

const run = (statement: string) =>
  Effect.orDie(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(statement)))

const names = Effect.map(run("SELECT name FROM things ORDER BY name"), (rows) => rows.map((row) => row["name"]))

const describeError = (error: StoreError) => (error._tag === "StoreUnavailableError" ? error.reason : error._tag)

const dies = (exit: Exit.Exit<unknown, unknown>, text: string) =>
  Exit.isFailure(exit) && Cause.isDie(exit.cause) && Cause.pretty(exit.cause).includes(text)

const opening = (filename: string) => Effect.flip(Effect.scoped(Layer.build(layerAt(filename))))

describe("RemoteStoreSql: the host's own statements", () => {
  test(
    "commit with the turn, and are undone with it or with what is nested in it",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* run("CREATE TABLE things (name TEXT)")
      yield* store.transaction(
        Effect.gen(function* () {
          yield* run("INSERT INTO things VALUES ('a')")
          yield* store.appendPending(bob, messages(1, 1))
          yield* Effect.flip(
            store.transaction(Effect.zipRight(run("INSERT INTO things VALUES ('b')"), Effect.fail("no")))
          )
          yield* store.transaction(run("INSERT INTO things VALUES ('c')"))
          const left = yield* Effect.exit(run("RELEASE SAVEPOINT remotes_1"))
          assert.isTrue(Exit.isFailure(left), "savepoints do not pile up")
        })
      )
      assert.deepStrictEqual(yield* names, ["a", "c"])
      yield* Effect.flip(store.transaction(Effect.zipRight(run("INSERT INTO things VALUES ('d')"), Effect.fail("no"))))
      assert.deepStrictEqual(yield* names, ["a", "c"])
    })
  )

  test(
    "may have savepoints of their own, which no participant can join",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      const sql = yield* SqlClient.SqlClient
      yield* run("CREATE TABLE things (name TEXT)")
      yield* store.transaction(
        Effect.gen(function* () {
          yield* Effect.flip(
            sql.withTransaction(
              Effect.gen(function* () {
                yield* run("INSERT INTO things VALUES ('a')")
                yield* store.appendPending(bob, messages(1, 1))
                assert.isTrue(yield* store.inTransaction)
                assert.isTrue(dies(yield* Effect.exit(store.enlist(recorder("p", []))), "SqlClient.withTransaction"))
                assert.isTrue(dies(yield* Effect.exit(store.transaction(Effect.void)), "SqlClient.withTransaction"))
                yield* Effect.fail("no")
              })
            )
          )
          yield* sql.withTransaction(run("INSERT INTO things VALUES ('b')"))
          yield* store.enlist(recorder("p", []))
          yield* store.appendPending(bob, messages(2, 2))
        })
      )
      assert.deepStrictEqual(yield* names, ["b"])
      assert.deepStrictEqual(yield* seqs(), [2])
    })
  )

  test(
    "in a transaction of their own take this store along, but no turn",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      const sql = yield* SqlClient.SqlClient
      yield* Effect.flip(
        sql.withTransaction(
          Effect.gen(function* () {
            assert.isFalse(yield* store.inTransaction)
            yield* store.appendPending(bob, messages(1, 1))
            assert.deepStrictEqual(yield* seqs(), [1])
            assert.isTrue(dies(yield* Effect.exit(store.transaction(Effect.void)), "SqlClient.withTransaction"))
            assert.isTrue(dies(yield* Effect.exit(store.enlist(recorder("p", []))), "SqlClient.withTransaction"))
            yield* Effect.fail("no")
          })
        )
      )
      assert.deepStrictEqual(yield* seqs(), [])
    })
  )

  test(
    "use no migrations table of this library's",
    Effect.gen(function* () {
      const tables = yield* run(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
      )
      assert.deepStrictEqual(
        tables.map((row) => row["name"]),
        [
          "remotes_dead_letters",
          "remotes_identity",
          "remotes_introductions",
          "remotes_issued_urls",
          "remotes_migrations",
          "remotes_owner",
          "remotes_peers",
          "remotes_pending",
          "remotes_redemptions",
          "remotes_relays"
        ]
      )
    })
  )

  it.scoped("of a turn in one database leave a turn in another alone", () =>
    Effect.gen(function* () {
      const one = Context.get(yield* Layer.build(layerAt(yield* temporary)), RemoteStore)
      const other = Context.get(yield* Layer.build(layerAt(yield* temporary)), RemoteStore)
      yield* one
        .transaction(
          Effect.gen(function* () {
            yield* one.putRemote(record(alice))
            yield* other.transaction(Effect.zipRight(other.putRemote(record(bob)), one.putRemote(record(bob, 2))))
            assert.isFalse(yield* other.inTransaction)
            return yield* Effect.fail("no")
          })
        )
        .pipe(Effect.flip)
      assert.deepStrictEqual(yield* one.listRemotes, [])
      assert.deepStrictEqual(yield* other.listRemotes, [record(bob)])
    })
  )
})

describe("RemoteStoreSql: failures", () => {
  test(
    "a commit that fails is a typed error, undoes everything and leaves nothing open",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      const log: Array<string> = []
      yield* run("PRAGMA foreign_keys = ON")
      yield* run("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
      yield* run("CREATE TABLE things (name TEXT, parent INTEGER REFERENCES parents(id) DEFERRABLE INITIALLY DEFERRED)")
      const error = yield* Effect.flip(
        store.transaction(
          Effect.gen(function* () {
            yield* store.enlist(recorder("p", log))
            yield* store.appendPending(bob, messages(1, 1))
            yield* run("INSERT INTO things VALUES ('a', 7)")
          })
        )
      )
      assert.isTrue(error._tag === "StoreUnavailableError" && error.reason === "Failed")
      assert.deepStrictEqual(log, ["p prepare", "p rolledBack"])
      assert.deepStrictEqual(yield* seqs(), [])
      assert.deepStrictEqual(yield* names, [])
      yield* store.transaction(store.appendPending(bob, messages(2, 2)))
      assert.deepStrictEqual(yield* seqs(), [2])
    })
  )

  it.scoped("a database that another process writes to is busy, and free again afterwards", () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      const other = yield* Layer.build(Layer.orDie(SqliteClient.layer({ filename })))
      yield* Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* run("PRAGMA busy_timeout = 0")
        const turn = store.transaction(store.appendPending(bob, messages(1, 1)))
        yield* Effect.provide(run("BEGIN IMMEDIATE"), other)
        const meanwhile = yield* Effect.either(turn)
        yield* Effect.provide(run("COMMIT"), other)
        assert.isTrue(Either.isLeft(meanwhile) && describeError(meanwhile.left) === "Busy")
        yield* turn
      }).pipe(Effect.provide(layerAt(filename)))
    })
  )

  test(
    "a full disk undoes the turn, and the store works when there is room again",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      const log: Array<string> = []
      yield* run("CREATE TABLE things (name TEXT)")
      yield* store.appendPending(bob, messages(1, 2))
      const [count] = yield* run("PRAGMA page_count")
      const [before] = yield* run("PRAGMA max_page_count")
      yield* run(`PRAGMA max_page_count = ${Number(count?.["page_count"])}`)
      const swallowed = yield* Effect.flip(
        store.transaction(
          Effect.gen(function* () {
            yield* store.enlist(recorder("p", log))
            yield* store.removePending(bob, 1)
            for (let at = 1; at < 100; at++)
              yield* Effect.ignore(store.transaction(store.appendPending(alice, messages(at, at, 9_000))))
            yield* run("INSERT INTO things VALUES ('a')")
            yield* store.appendPending(alice, messages(100, 100, 9_000))
          })
        )
      )
      // One row needs no journal of its own, so that SQLite undoes the whole transaction when it does not fit.
      const tooMuch = [
        store.appendPending(alice, messages(1, 1, 900_000)),
        store.transaction(run("INSERT INTO things VALUES (zeroblob(900000))"))
      ]
      for (const swallow of tooMuch) {
        const turn = Effect.zipRight(Effect.exit(swallow), run("INSERT INTO things VALUES ('b')"))
        assert.strictEqual(yield* Effect.exit(store.transaction(turn)).pipe(Effect.map(Exit.isFailure)), true)
        assert.deepStrictEqual(yield* names, [])
      }
      assert.strictEqual(describeError(swallowed), "Full")
      assert.strictEqual(log.at(-1), "p rolledBack")
      assert.deepStrictEqual(yield* seqs(), [1, 2])
      assert.deepStrictEqual(yield* seqs(alice), [])
      yield* run(`PRAGMA max_page_count = ${Number(before?.["max_page_count"])}`)
      yield* store.appendPending(alice, messages(1, 1, 9_000))
      assert.deepStrictEqual(yield* seqs(alice), [1])
    })
  )

  it.scoped("a closed client is a typed error", () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      const store = Context.get(yield* Effect.scoped(Layer.build(layerAt(filename))), RemoteStore)
      for (const call of [store.listRemotes, store.putRemote(record(bob)), store.transaction(Effect.void)]) {
        assert.strictEqual(describeError(yield* Effect.flip(call)), "Closed")
      }
    })
  )

  test(
    "takes over from a transaction that somebody left open",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* run("CREATE TABLE things (name TEXT)")
      yield* run("BEGIN")
      yield* run("INSERT INTO things VALUES ('a')")
      yield* store.transaction(store.appendPending(bob, messages(1, 1)))
      assert.deepStrictEqual(yield* names, [])
      assert.deepStrictEqual(yield* seqs(), [1])
    })
  )

  test(
    "does not go on failing once the cause is gone",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* run("ALTER TABLE remotes_peers RENAME TO hidden")
      assert.strictEqual(describeError(yield* Effect.flip(store.listRemotes)), "Failed")
      yield* run("ALTER TABLE hidden RENAME TO remotes_peers")
      assert.deepStrictEqual(yield* store.listRemotes, [])
    })
  )

  it.scoped("a file that cannot be opened is not writable, and one that is no database is corrupt", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const filename = yield* temporary
      assert.strictEqual(describeError(yield* opening(`${filename}/missing/store.db`)), "NotWritable")
      yield* files.makeDirectory(`${filename}.directory`)
      assert.strictEqual(describeError(yield* opening(`${filename}.directory`)), "NotWritable")
      yield* files.writeFile(filename, new Uint8Array(8_192).fill(7))
      assert.strictEqual(describeError(yield* opening(filename)), "StoreCorruptError")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("a database with damaged pages is corrupt", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const filename = yield* temporary
      yield* Effect.provide(
        Effect.flatMap(RemoteStore, (it) => it.putRemote(record(bob))),
        layerAt(filename)
      )
      const bytes = yield* files.readFile(filename)
      bytes.fill(0xff, 4_096)
      yield* files.writeFile(filename, bytes)
      const found = yield* Effect.flip(
        Effect.provide(
          Effect.flatMap(RemoteStore, (it) => it.listRemotes),
          layerAt(filename)
        )
      )
      assert.strictEqual(describeError(found), "StoreCorruptError")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("a defect that is not the database's stays a defect", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Effect.scoped(Layer.build(RemoteStoreSql.layerClient(Layer.die(new Error("bug")))))
      )
      assert.isTrue(dies(exit, "bug"))
    })
  )

  it.scoped("tables of the first version are brought up to date, and what is in them stays", () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      const fill = Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.saveIdentity(identity)
        yield* store.putRemote(record(bob))
        yield* store.appendPending(bob, messages(1, 3))
        yield* store.addDeadLetters([letter(1)])
        for (const statement of [
          "DROP TABLE remotes_redemptions",
          "DROP TABLE remotes_issued_urls",
          "DROP TABLE remotes_owner",
          "DROP TABLE remotes_introductions",
          "DROP INDEX remotes_dead_letters_by_peer",
          "ALTER TABLE remotes_identity DROP COLUMN seal",
          "ALTER TABLE remotes_pending DROP COLUMN expires_at",
          "ALTER TABLE remotes_peers DROP COLUMN senders",
          "ALTER TABLE remotes_peers DROP COLUMN received_from",
          "ALTER TABLE remotes_peers DROP COLUMN own_incarnation_id",
          "ALTER TABLE remotes_peers DROP COLUMN active_at",
          "DELETE FROM remotes_migrations WHERE migration_id > 1"
        ]) {
          yield* run(statement)
        }
      })
      yield* Effect.provide(fill, layerAt(filename))
      const look = Effect.gen(function* () {
        const store = yield* RemoteStore
        assert.deepStrictEqual(yield* store.loadIdentity, Option.some({ ...identity, seal: undefined }))
        // Who said what before nobody has written down, and the peer has heard the incarnation of the identity.
        const unknown = { senders: [], receivedFrom: undefined, ownIncarnationId: undefined, activeAt: undefined }
        assert.deepStrictEqual(yield* store.listRemotes, [{ ...record(bob), ...unknown }])
        assert.deepStrictEqual(yield* store.loadIntroduction(bob), Option.none())
        const pending = yield* store.readPending(bob, { fromSeq: 1, maxMessages: 9, maxBytes: 1_000 })
        assert.deepStrictEqual(pending, messages(1, 3))
        assert.strictEqual((yield* store.listDeadLetters({ afterId: 0, limit: 9 })).length, 1)
        yield* store.putRemote(record(bob))
        assert.deepStrictEqual(yield* store.listRemotes, [record(bob)])
      })
      yield* Effect.provide(look, layerAt(filename))
    })
  )

  it.scoped("tables of a later version are left alone", () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      yield* Effect.provide(
        run("INSERT INTO remotes_migrations (migration_id, name) VALUES (99, 'later')"),
        layerAt(filename)
      )
      const error = yield* opening(filename)
      assert.isTrue(
        error._tag === "StoreCorruptError" && error.where === "remotes_migrations" && error.reason.includes("99")
      )
    })
  )

  test(
    "a pending body that was changed is found, and named",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* store.appendPending(bob, messages(1, 3))
      const read = store.readPending(bob, { fromSeq: 1, maxMessages: 10, maxBytes: 1_000 })
      for (const damage of ["body = x'020203'", "checksum = checksum + 1"]) {
        yield* run(`UPDATE remotes_pending SET ${damage} WHERE seq = 2`)
        const error = yield* Effect.flip(read)
        assert.isTrue(error._tag === "StoreCorruptError" && error.where === `remotes_pending, message 2 to ${bob}`)
        assert.strictEqual((yield* store.readPending(bob, { fromSeq: 3, maxMessages: 1, maxBytes: 1 })).length, 1)
        yield* store.removePending(bob, 3)
        yield* store.appendPending(bob, messages(1, 3))
      }
    })
  )

  test(
    "rows that this library did not write are found, and their contents not repeated",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* store.putRemote(record(bob))
      yield* run("UPDATE remotes_peers SET hints = '{'")
      for (const call of [Effect.asVoid(store.listRemotes), Effect.asVoid(store.findRemote(bob))]) {
        const error = yield* Effect.flip(call)
        assert.isTrue(error._tag === "StoreCorruptError" && error.where === "remotes_peers, row 1, column hints")
      }
      yield* store.addDeadLetters([letter(1)])
      yield* run("UPDATE remotes_dead_letters SET reason = 'Bored'")
      const odd = yield* Effect.flip(store.listDeadLetters({ afterId: 0, limit: 1 }))
      assert.isTrue(odd._tag === "StoreCorruptError" && odd.where === "remotes_dead_letters, row 1, column reason")
      yield* store.saveIdentity(identity)
      yield* run("UPDATE remotes_identity SET key_seed = key_seed || 'x'")
      const error = yield* Effect.flip(store.loadIdentity)
      assert.isTrue(error._tag === "StoreCorruptError" && error.where === "remotes_identity, row 1, column key_seed")
      assert.notInclude(inspect(error, { depth: 9 }), "abab")
    })
  )

  test(
    "an identity that cannot be saved is not repeated in the error",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* run("CREATE TRIGGER spill BEFORE INSERT ON remotes_identity BEGIN SELECT RAISE(ABORT, 'abababab'); END")
      for (const call of [
        store.saveIdentity(identity),
        store.transaction(Effect.ignore(store.saveIdentity(identity)))
      ]) {
        const error = yield* Effect.flip(call)
        assert.notInclude(inspect(error, { depth: 9 }), "abab")
      }
    })
  )
})

/** Has a process commit message after message until it ends, once it has committed twenty does that; gives what it said last. */
const lastOf = <E, R>(filename: string, then: (victim: ChildProcess) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const victim = fileURLToPath(new URL("./remoteStoreVictim.ts", import.meta.url))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [victim, filename, bob], { stdio: ["ignore", "pipe", "inherit"] })),
      (it) => Effect.sync(() => it.kill("SIGKILL"))
    )
    const lines = createInterface({ input: child.stdout })
    const reached = yield* Deferred.make<void>()
    let last = ""
    lines.on("line", (line) => {
      last = line
      if (line === "20") Deferred.unsafeDone(reached, Effect.void)
    })
    const ended = once(lines, "close")
    yield* Deferred.await(reached)
    yield* then(child)
    yield* Effect.promise(() => ended)
    return last
  })

describe("RemoteStoreSql: durability", () => {
  test(
    "is switched on",
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run("PRAGMA journal_mode"), [{ journal_mode: "wal" }])
      assert.deepStrictEqual(yield* run("PRAGMA synchronous"), [{ synchronous: 2 }])
      assert.deepStrictEqual(yield* run("PRAGMA busy_timeout"), [{ timeout: 5_000 }])
    })
  )

  it.scoped("is refused where the database does not have it", () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      yield* Effect.provide(run("PRAGMA journal_mode = DELETE"), layerAt(filename))
      const client = SqliteClient.layer({ filename, readonly: true, disableWAL: true })
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(Layer.provide(RemoteStoreSql.layer, Layer.orDie(client))))
      )
      assert.strictEqual(describeError(error), "NotWritable")
    })
  )

  it.effect("is as good as it can be in memory", () =>
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* store.appendPending(bob, messages(1, 1))
      assert.deepStrictEqual(yield* seqs(), [1])
    }).pipe(Effect.provide(layerAt(":memory:")))
  )

  /** How many pages `work` has written to the log; a checkpoint begins it anew. */
  const pagesOf = <E>(work: Effect.Effect<unknown, E, Environment>) =>
    Effect.gen(function* () {
      yield* run("PRAGMA wal_checkpoint(TRUNCATE)")
      yield* work
      const [row] = yield* run("PRAGMA wal_checkpoint(PASSIVE)")
      return row?.["log"]
    })

  test(
    "costs one page for a record that is known, and one for a message and those that it takes the place of",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* store.putRemote(record(bob))
      yield* store.appendPending(bob, messages(1, 1))
      assert.strictEqual(yield* pagesOf(store.putRemote({ ...record(bob), receivedSeq: 7 })), 1)
      const turn = Effect.gen(function* () {
        yield* store.appendPending(bob, messages(2, 2))
        yield* store.putRemote({ ...record(bob), receivedSeq: 8 })
        yield* store.removePending(bob, 1)
      })
      assert.strictEqual(yield* pagesOf(store.transaction(turn)), 2)
    })
  )

  test(
    "does not depend on how the driver gives numbers",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* store.putRemote(record(bob))
      yield* store.appendPending(bob, messages(1, 3))
      yield* store.addDeadLetters([letter(1)])
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* store.listRemotes, [record(bob)])
        assert.deepStrictEqual(
          yield* store.readPending(bob, { fromSeq: 1, maxMessages: 9, maxBytes: 99 }),
          messages(1, 3)
        )
        assert.deepStrictEqual(yield* store.countPending(bob), { messages: 3, bytes: 9 })
        assert.deepStrictEqual(yield* store.listDeadLetters({ afterId: 0, limit: 9 }), [{ ...letter(1), id: 1 }])
      }).pipe(Effect.provideService(SqlClient.SafeIntegers, true))
    })
  )

  it.live("outlives a process that is killed", () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      const told = yield* lastOf(filename, (child) => Effect.sync(() => child.kill("SIGKILL")))
      assert.isAtLeast(Number(told), 20)
      const kept = yield* Effect.provide(seqs(), layerAt(filename))
      assert.isAtLeast(kept.length, Number(told))
      assert.deepStrictEqual(
        kept,
        kept.map((_, at) => at + 1)
      )
    }).pipe(Effect.scoped)
  )

  it.live("belongs to the process that opened it last: the other commits nothing more, and is told why", () =>
    Effect.gen(function* () {
      const filename = yield* temporary
      let kept: ReadonlyArray<number> = []
      const told = yield* lastOf(filename, () =>
        Effect.gen(function* () {
          const opened = yield* Layer.build(layerAt(filename))
          kept = yield* Effect.provide(seqs(), opened)
          yield* Effect.provide(
            Effect.flatMap(RemoteStore, (store) => store.appendPending(alice, messages(1, 1))),
            opened
          )
        })
      )
      assert.strictEqual(told, "the store could not begin a transaction: another kernel has opened it since")
      assert.isAtLeast(kept.length, 20)
      const now = yield* Effect.provide(seqs(), layerAt(filename))
      assert.deepStrictEqual(now, kept)
    }).pipe(Effect.scoped)
  )
})

import { NodeFileSystem } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { inspect } from "node:util"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as RemoteStoreSql from "../../src/layers/RemoteStoreSql.ts"
import { RemoteIdentity } from "../../src/services/RemoteIdentity.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"

type Options = NonNullable<Parameters<typeof RemoteIdentityStored.layer>[0]>

const seed = "a1".repeat(32)
const peer = "12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak"

const seeded: Options = { keySeed: Redacted.make(seed) }
const passphrase = (words: string): Options => ({ seal: { passphrase: Redacted.make(words) } })
const key = (hex: string): Options => ({ seal: { key: Redacted.make(hex) } })

const start = (options?: Options) => Effect.provide(RemoteIdentity, RemoteIdentityStored.layer(options))
const stored = Effect.flatMap(RemoteStore, (store) => Effect.map(store.loadIdentity, Option.getOrThrow))
const alone = Effect.provide(RemoteStoreMemory.layer)

/** What the store holds, as somebody would see it who has stolen it. */
const seen = Effect.map(stored, ({ keySeed, ocapUrlKey, ...rest }) =>
  JSON.stringify([Redacted.value(keySeed), Redacted.value(ocapUrlKey), rest])
)

/** Starts a kernel on SQLite at `filename`, and stops it. */
const onFile = <A, E>(filename: string, effect: Effect.Effect<A, E, RemoteStore | SqlClient.SqlClient>) =>
  Effect.provide(
    effect,
    RemoteStoreSql.layer.pipe(
      Layer.provideMerge(RemoteStoreSql.layerClient(Layer.orDie(SqliteClient.layer({ filename }))))
    )
  )

const temporary = Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())

describe("RemoteIdentityStored: sealed", () => {
  it.effect.each([
    ["a passphrase", passphrase("correct horse"), passphrase("correct horse")],
    ["a key", key("c3".repeat(32)), key("C3".repeat(32))],
    ["the same words in another encoding", passphrase("caf\u00e9"), passphrase("cafe\u0301")]
  ] as const)("with %s, and opened with it", ([_, first, second]) =>
    alone(
      Effect.gen(function* () {
        const before = yield* start({ ...seeded, ...first })
        const url = yield* before.issueOcapUrl("ko1")
        assert.notInclude(yield* seen, "a1a1")
        const after = yield* start(second)
        assert.strictEqual(after.peerId, peer)
        assert.deepStrictEqual(Redacted.value(after.keySeed), Redacted.value(before.keySeed))
        assert.strictEqual(yield* after.redeemOcapUrl(url), "ko1")
      })
    )
  )

  it.effect("tells nothing of why it does not open", () =>
    alone(
      Effect.gen(function* () {
        const refusals: Array<unknown> = []
        yield* start({ ...seeded, ...passphrase("correct horse") })
        for (const options of [{}, passphrase("Correct horse"), key("c3".repeat(32))]) {
          refusals.push(yield* Effect.flip(start(options)))
        }
        const store = yield* RemoteStore
        yield* store.saveIdentity({ ...(yield* stored), seal: { _tag: "Key" } })
        for (const options of [{}, passphrase("correct horse"), key("c3".repeat(32))]) {
          refusals.push(yield* Effect.flip(start(options)))
        }
        for (const refusal of refusals) {
          assert.strictEqual(JSON.stringify(refusal), JSON.stringify({ _tag: "IdentitySealedError" }))
          assert.notMatch(inspect(refusal, { depth: 9 }), /horse|c3c3/)
        }
      })
    )
  )

  it.effect("does not open when it was changed", () =>
    alone(
      Effect.gen(function* () {
        const options = key("c3".repeat(32))
        yield* start({ ...seeded, ...options })
        const store = yield* RemoteStore
        const sound = yield* stored
        const seal = Encoding.decodeHex(Redacted.value(sound.keySeed))
        assert(seal._tag === "Right")
        for (const at of [0, 12, 43, 59]) {
          const bytes = seal.right.map((byte, index) => (index === at ? byte ^ 1 : byte))
          yield* store.saveIdentity({ ...sound, keySeed: Redacted.make(Encoding.encodeHex(bytes)) })
          assert.strictEqual((yield* Effect.flip(start(options)))._tag, "IdentitySealedError")
        }
        yield* store.saveIdentity({ ...sound, keySeed: sound.ocapUrlKey, ocapUrlKey: sound.keySeed })
        assert.strictEqual((yield* Effect.flip(start(options)))._tag, "IdentitySealedError")
        yield* store.saveIdentity({ ...sound, seal: { _tag: "Passphrase", salt: "0a", rounds: 4_000_000_000 } })
        assert.strictEqual((yield* Effect.flip(start(passphrase("x"))))._tag, "IdentitySealedError")
        yield* store.saveIdentity(sound)
        assert.strictEqual((yield* start(options)).peerId, peer)
      })
    )
  )

  it.effect("at the next start, when it was in clear", () =>
    alone(
      Effect.gen(function* () {
        const before = yield* start(seeded)
        assert.include(yield* seen, "a1a1")
        const after = yield* start(passphrase("correct horse"))
        assert.notInclude(yield* seen, "a1a1")
        assert.strictEqual(after.incarnationId, before.incarnationId)
        assert.strictEqual((yield* Effect.flip(start()))._tag, "IdentitySealedError")
        const sealed = yield* seen
        yield* start(passphrase("correct horse"))
        assert.strictEqual(yield* seen, sealed, "what is sealed already stays as it is")
      })
    )
  )

  it.effect("differently in each store", () =>
    Effect.gen(function* () {
      const one = alone(Effect.zipRight(start({ ...seeded, ...passphrase("correct horse") }), stored))
      const [a, b] = [yield* one, yield* one]
      assert.notStrictEqual(Redacted.value(a.keySeed), Redacted.value(b.keySeed))
      assert(a.seal?._tag === "Passphrase" && b.seal?._tag === "Passphrase")
      assert.notStrictEqual(a.seal.salt, b.seal.salt)
      assert.isAtLeast(a.seal.rounds, 600_000)
    })
  )

  it.effect.each([
    { passphrase: Redacted.make("") },
    { passphrase: "correct horse" },
    { key: Redacted.make("c3".repeat(31)) },
    { key: Redacted.make("correct horse") },
    { key: Redacted.make("c3".repeat(32)), passphrase: Redacted.make("correct horse") },
    {}
  ])("not with %o, and the error repeats no secret", (seal) =>
    alone(
      Effect.gen(function* () {
        const options: unknown = { seal }
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types are what this goes around
        const error = yield* Effect.flip(start(options as Options))
        assert.strictEqual(error._tag, "InvalidOptionsError")
        assert.match(error.message, /seal must be a Redacted passphrase, or a Redacted key of 32 bytes in hex/)
        assert.notMatch(inspect(error, { depth: 9 }) + JSON.stringify(error), /horse|c3c3/)
        assert.isTrue(Option.isNone(yield* (yield* RemoteStore).loadIdentity))
      })
    )
  )

  it.effect("with a secret from the environment", () =>
    alone(
      Effect.gen(function* () {
        const layer = RemoteIdentityStored.layerConfig({
          seal: Config.map(Config.redacted("PASSPHRASE"), (passphrase) => ({ passphrase }))
        })
        const provider = ConfigProvider.fromMap(new Map([["PASSPHRASE", "correct horse"]]))
        const identity = yield* RemoteIdentity.pipe(Effect.provide(layer), Effect.withConfigProvider(provider))
        assert.strictEqual((yield* start(passphrase("correct horse"))).peerId, identity.peerId)
      })
    )
  )

  it.scoped("leaves nothing in clear in the files of a database that was sealed later", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* temporary
      const filename = `${directory}/kernel.db`
      const urlKey = yield* onFile(
        filename,
        Effect.zipRight(
          start(seeded),
          Effect.map(stored, ({ ocapUrlKey }) => Redacted.value(ocapUrlKey))
        )
      )
      const contents = Effect.flatMap(files.readDirectory(directory), (names) =>
        Effect.map(
          Effect.forEach(names, (name) => files.readFile(`${directory}/${name}`)),
          (all) => all.map((bytes) => Buffer.from(bytes).toString("latin1")).join()
        )
      )
      assert.include(yield* contents, seed)
      assert.include(yield* contents, urlKey)
      yield* onFile(filename, start(passphrase("correct horse")))
      assert.notInclude(yield* contents, seed)
      assert.notInclude(yield* contents, urlKey)
      assert.strictEqual((yield* onFile(filename, start(passphrase("correct horse")))).peerId, peer)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("in a database that an earlier version made", () =>
    Effect.gen(function* () {
      const filename = `${yield* temporary}/kernel.db`
      const before = yield* onFile(filename, start(seeded))
      yield* onFile(
        filename,
        Effect.flatMap(SqlClient.SqlClient, (sql) =>
          Effect.forEach(
            [
              "ALTER TABLE remotes_identity DROP COLUMN seal",
              "DROP TABLE remotes_issued_urls",
              "DROP TABLE remotes_redemptions",
              "ALTER TABLE remotes_pending DROP COLUMN expires_at",
              "DROP INDEX remotes_dead_letters_by_peer",
              "DROP TABLE remotes_owner",
              "ALTER TABLE remotes_peers DROP COLUMN senders",
              "ALTER TABLE remotes_peers DROP COLUMN received_from",
              "DROP TABLE remotes_introductions",
              "ALTER TABLE remotes_peers DROP COLUMN own_incarnation_id",
              "ALTER TABLE remotes_peers DROP COLUMN active_at",
              "DELETE FROM remotes_migrations WHERE migration_id > 1"
            ],
            (statement) => sql.unsafe(statement)
          )
        )
      )
      const after = yield* onFile(filename, start(passphrase("correct horse")))
      assert.strictEqual(after.incarnationId, before.incarnationId)
      assert.strictEqual((yield* Effect.flip(onFile(filename, start())))._tag, "IdentitySealedError")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

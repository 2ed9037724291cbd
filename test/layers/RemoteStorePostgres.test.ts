/** What the store promises, it promises on PostgreSQL, too. */
import * as SqlClient from "@effect/sql/SqlClient"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as RemoteStoreSql from "../../src/layers/RemoteStoreSql.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"
import { layerClient, makeServer } from "../support/postgres.ts"
import { bob, contract, messages, recorder, seqs } from "./RemoteStore.contract.ts"

const scope = Effect.runSync(Scope.make())
const server = await Effect.runPromise(Scope.extend(makeServer, scope))
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

let schemas = 0
const freshClient = Effect.sync(() => layerClient(server, `test_${++schemas}`))

contract("PostgreSQL", {
  place: (options) =>
    Effect.map(freshClient, (client) => {
      const store = Layer.catchAll(RemoteStoreSql.layerOptions(options), (error) =>
        error._tag === "InvalidOptionsError" ? Layer.die(error) : Layer.fail(error)
      )
      return { layer: Layer.provide(store, client) }
    })
})

const run = (statement: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement))

const test = (title: string, body: Effect.Effect<void, unknown, RemoteStore | SqlClient.SqlClient>) =>
  it.scoped(title, () =>
    Effect.flatMap(freshClient, (client) => Effect.provide(body, Layer.provideMerge(RemoteStoreSql.layer, client)))
  )

describe("RemoteStoreSql on PostgreSQL", () => {
  test(
    "commits the host's own statements with the turn, and undoes them with it or with what is nested in it",
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
        })
      )
      yield* Effect.flip(store.transaction(Effect.zipRight(run("INSERT INTO things VALUES ('c')"), Effect.fail("no"))))
      assert.deepStrictEqual(yield* run("SELECT name FROM things"), [{ name: "a" }])
      assert.deepStrictEqual(yield* seqs(), [1])
    })
  )

  test(
    "does not take a commit that the database turned into a rollback for one",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      const log: Array<string> = []
      const error = yield* Effect.flip(
        store.transaction(
          Effect.gen(function* () {
            yield* store.enlist(recorder("p", log))
            yield* store.appendPending(bob, messages(1, 1))
            yield* Effect.ignore(run("SELECT nonsense"))
          })
        )
      )
      assert.strictEqual(error._tag, "StoreUnavailableError")
      assert.deepStrictEqual(log, ["p prepare", "p rolledBack"])
      assert.deepStrictEqual(yield* seqs(), [])
      yield* store.transaction(store.appendPending(bob, messages(2, 2)))
      assert.deepStrictEqual(yield* seqs(), [2])
    })
  )

  test(
    "finds a pending body that was changed, and names it",
    Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* store.appendPending(bob, messages(1, 3))
      yield* run("UPDATE remotes_pending SET body = '\\x020203' WHERE seq = 2")
      const error = yield* Effect.flip(store.readPending(bob, { fromSeq: 1, maxMessages: 10, maxBytes: 1_000 }))
      assert(error._tag === "StoreCorruptError")
      assert.strictEqual(error.where, `remotes_pending, message 2 to ${bob}`)
    })
  )

  it.scoped("leaves tables of a later version alone", () =>
    Effect.gen(function* () {
      const client = yield* freshClient
      const open = Layer.provideMerge(RemoteStoreSql.layer, client)
      yield* Effect.provide(run("INSERT INTO remotes_migrations (migration_id, name) VALUES (99, 'later')"), open)
      const error = yield* Effect.flip(Layer.build(open))
      assert(error._tag === "StoreCorruptError")
      assert.include(error.reason, "99")
    })
  )

  it.scoped("refuses a database that loses what it committed", () =>
    Effect.gen(function* () {
      const client = yield* freshClient
      const set = (value: string) => Effect.promise(() => server.exec(`SET synchronous_commit TO ${value}`))
      yield* Effect.acquireRelease(set("off"), () => set("on"))
      const error = yield* Effect.flip(Layer.build(Layer.provide(RemoteStoreSql.layer, client)))
      assert(error._tag === "StoreUnavailableError")
      assert.include(String(error.cause), "synchronous_commit")
    })
  )
})

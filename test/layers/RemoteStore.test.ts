import { NodeFileSystem } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { StoreUnavailableError } from "../../src/errors/StoreError.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as RemoteStoreSql from "../../src/layers/RemoteStoreSql.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"
import {
  bob,
  contract,
  identity,
  letter,
  messages,
  record,
  recorder,
  redemption,
  seqs
} from "./RemoteStore.contract.ts"

contract("memory", {
  place: (options) => Effect.sync(() => ({ layer: RemoteStoreMemory.layerDisk(RemoteStoreMemory.makeDisk(options)) }))
})

contract("SQLite", {
  place: (options) =>
    Effect.gen(function* () {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const client = RemoteStoreSql.layerClient(Layer.orDie(SqliteClient.layer({ filename: `${directory}/store.db` })))
      const store = Layer.catchAll(RemoteStoreSql.layerOptions(options), (error) =>
        error._tag === "InvalidOptionsError" ? Layer.die(error) : Layer.fail(error)
      )
      return { layer: Layer.provide(store, client) }
    }).pipe(Effect.provide(NodeFileSystem.layer), Effect.orDie)
})

describe("memory: disk", () => {
  it.effect("starts empty each time without a disk", () =>
    Effect.gen(function* () {
      const append = Effect.flatMap(RemoteStore, (store) => store.appendPending(bob, messages(1, 1)))
      yield* Effect.provide(append, RemoteStoreMemory.layer)
      assert.deepStrictEqual(yield* Effect.provide(seqs(), RemoteStoreMemory.layer), [])
    })
  )

  it.effect("asks before each operation, and does nothing when it may not", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      let refused = ""
      const disk = RemoteStoreMemory.makeDisk({
        onCall: (operation) => {
          log.push(operation)
          return operation === refused ? new StoreUnavailableError({ operation, reason: "Full" }) : Effect.void
        }
      })
      yield* Effect.provide(
        Effect.gen(function* () {
          const store = yield* RemoteStore
          const events: Array<string> = []
          const turn = store.transaction(
            Effect.gen(function* () {
              yield* store.enlist(recorder("p", events))
              yield* store.appendPending(bob, messages(1, 1))
              yield* store.removePending(bob, 0)
            })
          )
          for (refused of ["begin", "appendPending", "removePending", "commit"]) {
            assert.strictEqual((yield* Effect.flip(turn))._tag, "StoreUnavailableError")
            assert.deepStrictEqual(yield* seqs(), [])
          }
          assert.deepStrictEqual(events, ["p rolledBack", "p rolledBack", "p prepare", "p rolledBack"])
          refused = ""
          log.length = 0
          yield* turn
          assert.deepStrictEqual(log, ["begin", "appendPending", "removePending", "commit"])
        }),
        RemoteStoreMemory.layerDisk(disk)
      )
    })
  )

  it.effect("can be crashed before any operation, and holds what was committed", () =>
    Effect.gen(function* () {
      for (const point of ["begin", "appendPending", "commit"]) {
        let crash = false
        const reached = yield* Deferred.make<void>()
        const disk = RemoteStoreMemory.makeDisk({
          onCall: (operation) =>
            crash && operation === point
              ? Effect.interruptible(Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never))
              : Effect.void
        })
        const kernel = Effect.gen(function* () {
          const store = yield* RemoteStore
          yield* store.appendPending(bob, messages(1, 1))
          crash = true
          yield* store.appendPending(bob, messages(2, 2))
        })
        const fiber = yield* Effect.fork(Effect.provide(kernel, RemoteStoreMemory.layerDisk(disk)))
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(fiber)
        crash = false
        assert.deepStrictEqual(yield* Effect.provide(seqs(), RemoteStoreMemory.layerDisk(disk)), [1])
      }
    })
  )

  it.effect("is copied whole, and what comes later is on one of the two only", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const on = <A, E>(it: RemoteStoreMemory.Disk, work: (store: RemoteStore["Type"]) => Effect.Effect<A, E>) =>
        Effect.provide(Effect.flatMap(RemoteStore, work), RemoteStoreMemory.layerDisk(it))
      const fill = (store: RemoteStore["Type"]) =>
        Effect.all([
          store.saveIdentity(identity),
          store.saveRelays([{ address: "/ip4/127.0.0.1/tcp/1", lastSeen: 1, bootstrap: true }]),
          store.putIssuedUrl({ id: "url", expiresAt: undefined, revoked: true }),
          store.putRemote(record(bob)),
          store.appendPending(bob, messages(1, 3)),
          store.putRedemption(redemption("asked")),
          store.addDeadLetters([letter(1)])
        ])
      const contents = (store: RemoteStore["Type"]) =>
        Effect.all([
          store.loadIdentity,
          store.loadRelays,
          store.findIssuedUrl("url"),
          store.listRemotes,
          store.loadIntroduction(bob),
          store.readPending(bob, { fromSeq: 1, maxMessages: 9, maxBytes: 9_000 }),
          store.listRedemptions(bob),
          store.listDeadLetters({ afterId: 0, limit: 9 })
        ])
      yield* on(disk, fill)
      const copy = yield* disk.copy
      const expected = yield* on(disk, contents)
      yield* on(disk, (store) => Effect.zipRight(store.removeRemote(bob, "i-2"), store.removeRevokedUrls))
      assert.deepStrictEqual(yield* on(copy, contents), expected)
      assert.deepStrictEqual(yield* on(disk, (store) => store.listRedemptions(bob)), [])
    })
  )

  it.scoped("unplugs the kernel before, with what it had not committed", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const old = yield* RemoteStoreMemory.make(disk)
      yield* old.appendPending(bob, messages(1, 1))
      const written = yield* Deferred.make<void>()
      const held = yield* Deferred.make<void>()
      const turn = yield* Effect.fork(
        old.transaction(
          old
            .appendPending(bob, messages(2, 2))
            .pipe(Effect.zipRight(Deferred.succeed(written, undefined)), Effect.zipRight(Deferred.await(held)))
        )
      )
      yield* Deferred.await(written)
      const young = yield* RemoteStoreMemory.make(disk)
      yield* young.appendPending(bob, messages(3, 3))
      yield* Deferred.succeed(held, undefined)
      const ended = yield* Effect.either(Fiber.join(turn))
      assert.isTrue(
        Either.isLeft(ended) && ended.left._tag === "StoreUnavailableError" && ended.left.reason === "Closed"
      )
      const late = yield* Effect.flip(old.appendPending(bob, messages(9, 9)))
      assert.isTrue(late._tag === "StoreUnavailableError" && late.reason === "Closed")
      assert.deepStrictEqual(yield* Effect.provideService(seqs(), RemoteStore, young), [1, 3])
    })
  )
})

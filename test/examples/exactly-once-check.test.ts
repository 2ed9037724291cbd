import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Check from "../../examples/exactly-once/check.ts"
import * as Ledger from "../../examples/exactly-once/ledger.ts"

const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

const clean = { sent: 5, receivedOnce: 5, missing: 0, doubled: 0, outOfOrder: 0, neverSent: 0 }

const cases: ReadonlyArray<readonly [string, ReadonlyArray<number>, ReadonlyArray<number>, Partial<Check.Verdict>]> = [
  ["a clean run", range(5), range(5), {}],
  ["a missing message", range(5), [1, 2, 4, 5], { receivedOnce: 4, missing: 1 }],
  ["a doubled message", range(5), [1, 2, 3, 3, 4, 5], { receivedOnce: 4, doubled: 1 }],
  ["a message doubled later", range(5), [1, 2, 3, 4, 5, 2], { receivedOnce: 4, doubled: 1 }],
  ["a late message", range(5), [1, 3, 2, 4, 5], { outOfOrder: 1 }],
  ["a message without record", range(4), range(5), { sent: 4, neverSent: 1 }],
  ["a message nobody asked for", range(5), [...range(5), 6], { neverSent: 1 }],
  ["nothing at all", [], [], { sent: 0, receivedOnce: 0, missing: 5 }]
]

describe("compare", () => {
  it.each(cases)("sees %s", (_, sent, received, differs) => {
    const verdict = Check.compare(5, sent, received)
    assert.deepStrictEqual(verdict, { ...clean, ...differs })
    assert.strictEqual(Check.isClean(5, verdict), Object.keys(differs).length === 0)
  })

  it.prop(
    "finds nothing clean but the whole sequence",
    [FastCheck.array(FastCheck.integer({ min: 1, max: 4 }))],
    ([received]) => {
      const verdict = Check.compare(3, range(3), received)
      assert.strictEqual(verdict.receivedOnce + verdict.missing + verdict.doubled, 3)
      assert.strictEqual(Check.isClean(3, verdict), received.join() === "1,2,3")
    }
  )
})

const write = (filename: string, table: "sent" | "received", messages: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger.open(table)
    for (const message of messages) yield* ledger.write([message])
    assert.strictEqual(yield* ledger.count, messages.length)
  }).pipe(Effect.provide(SqliteClient.layer({ filename })))

describe("check", () => {
  it.scoped.each(cases)("sees %s in two files", ([, sent, received, differs]) =>
    Effect.gen(function* () {
      const directory = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
      const path = yield* Path.Path
      const files = { alice: path.join(directory, "alice.sqlite"), bob: path.join(directory, "bob.sqlite") }
      yield* write(files.alice, "sent", sent)
      yield* write(files.bob, "received", received)
      assert.deepStrictEqual(yield* Check.check(5, files), { ...clean, ...differs })
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("says which file it cannot read, and makes none", () =>
    Effect.gen(function* () {
      const system = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const directory = yield* system.makeTempDirectoryScoped()
      const files = { alice: path.join(directory, "alice.sqlite"), bob: path.join(directory, "bob.sqlite") }
      yield* write(files.alice, "sent", [1])
      const absent = yield* Effect.flip(Check.check(1, files))
      assert.strictEqual(absent.message, `The table received in ${files.bob} cannot be read.`)
      assert.isFalse(yield* system.exists(files.bob))
      yield* Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE other (it INTEGER)`),
        SqliteClient.layer({ filename: files.bob })
      )
      const empty = yield* Effect.flip(Check.check(1, files))
      assert.strictEqual(empty.message, absent.message)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { makeSavepoints } from "../../../src/layers/sql/savepoints.ts"
import { noting } from "../../support/notingConnection.ts"

const setUp = () => {
  const { connection, log } = noting(["bad"])
  return { ran: log, savepoints: makeSavepoints(connection) }
}

const ways: ReadonlyArray<readonly [string, (connection: Connection) => Effect.Effect<unknown, SqlError>]> = [
  ["execute", (it) => it.execute("work", [], undefined)],
  ["executeRaw", (it) => it.executeRaw("work", [])],
  ["executeValues", (it) => it.executeValues("work", [])],
  ["executeUnprepared", (it) => it.executeUnprepared("work", [], undefined)],
  ["executeStream", (it) => Effect.map(Stream.runCollect(it.executeStream("work", [], undefined)), Chunk.size)]
]

describe("savepoints that are owed", () => {
  for (const [name, work] of ways) {
    it.effect(`are set in order before the first statement of ${name}, and once`, () =>
      Effect.gen(function* () {
        const { ran, savepoints } = setUp()
        savepoints.owe("outer")
        savepoints.owe("inner")
        yield* work(savepoints.connection)
        yield* work(savepoints.connection)
        assert.deepStrictEqual(ran, ["outer", "inner", "work", "work"])
        assert.isFalse(savepoints.cancel(), "it was set, so it has to be released")
      })
    )
  }

  it.effect("are never set when nothing runs before their end", () =>
    Effect.gen(function* () {
      const { ran, savepoints } = setUp()
      savepoints.owe("outer")
      savepoints.owe("inner")
      assert.isTrue(savepoints.cancel())
      yield* savepoints.connection.execute("work", [], undefined)
      assert.deepStrictEqual(ran, ["outer", "work"])
    })
  )

  it.effect("keep a statement from running when they cannot be set", () =>
    Effect.gen(function* () {
      const { ran, savepoints } = setUp()
      savepoints.owe("bad")
      assert.strictEqual((yield* Effect.flip(savepoints.connection.execute("work", [], undefined))).message, "bad")
      assert.deepStrictEqual(ran, ["bad"])
      assert.isTrue(savepoints.cancel(), "it was not set")
    })
  )
})

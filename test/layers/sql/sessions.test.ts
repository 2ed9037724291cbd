import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"
import { StoreUnavailableError } from "../../../src/errors/StoreError.ts"
import { type Preparing, preparingOn, unprepared } from "../../../src/layers/sql/prepared.ts"
import { execute, makeBackend } from "../../../src/layers/sql/sessions.ts"
import { makeStatements } from "../../../src/layers/sql/statements.ts"
import { makeTurns } from "../../../src/internal/turns.ts"
import { noting } from "../../support/notingConnection.ts"

/** A client with this connection, which notes as well when it is lent and given back. */
const clientOn = (connection: Connection, log: Array<string>, waits: Effect.Effect<void> = Effect.void) => {
  const note = (line: string) => Effect.sync(() => log.push(line))
  const lend = Effect.uninterruptibleMask((restore) =>
    Effect.as(
      Effect.zipRight(
        Effect.acquireRelease(note("lent"), () => note("given back")),
        restore(waits)
      ),
      connection
    )
  )
  return SqlClient.make({
    acquirer: lend,
    compiler: Statement.makeCompilerSqlite(),
    spanAttributes: []
  }).pipe(Effect.provide(Reactivity.layer))
}

const statements = makeStatements("sqlite")
const owned = () => Effect.void

describe("a transaction's connection", () => {
  it.effect("is given back after the end, and not before", () =>
    Effect.gen(function* () {
      const { connection, log } = noting()
      const backend = makeBackend(yield* clientOn(connection, log), "sqlite", unprepared, statements, owned)
      for (const _ of [1, 2]) {
        const session = yield* Effect.uninterruptible(backend.begin(identity))
        yield* backend.commit(session)
        yield* backend.end(session)
      }
      const once = ["lent", "BEGIN IMMEDIATE", "COMMIT", "given back"]
      assert.deepStrictEqual(log, [...once, ...once])
    })
  )

  it.effect("is given back once the participants know of the commit: a peer may be waiting for what they write", () =>
    Effect.gen(function* () {
      const { connection, log } = noting()
      const turns = makeTurns(makeBackend(yield* clientOn(connection, log), "sqlite", unprepared, statements, owned))
      yield* turns.transaction(Effect.void, {
        prepare: Effect.void,
        committed: () => void log.push("told"),
        rolledBack: () => void log.push("undone"),
        savepoint: () => () => undefined
      })
      assert.deepStrictEqual(log, ["lent", "BEGIN IMMEDIATE", "COMMIT", "told", "given back"])
    })
  )

  it.effect("is given back when the transaction cannot begin", () =>
    Effect.gen(function* () {
      const { connection, log } = noting(["BEGIN IMMEDIATE"])
      const backend = makeBackend(yield* clientOn(connection, log), "sqlite", unprepared, statements, owned)
      const error = yield* Effect.flip(Effect.uninterruptible(backend.begin(identity)))
      assert.strictEqual(error._tag, "StoreUnavailableError")
      assert.deepStrictEqual(log, ["lent", "BEGIN IMMEDIATE", "given back"])
    })
  )

  it.effect("is given back, rolled back, when the store belongs to another kernel", () =>
    Effect.gen(function* () {
      const { connection, log } = noting()
      const lost = new StoreUnavailableError({ operation: "begin", reason: "TakenOver" })
      const backend = makeBackend(yield* clientOn(connection, log), "sqlite", unprepared, statements, () =>
        Effect.fail(lost)
      )
      assert.strictEqual(yield* Effect.flip(Effect.uninterruptible(backend.begin(identity))), lost)
      assert.deepStrictEqual(log, ["lent", "BEGIN IMMEDIATE", "ROLLBACK", "given back"])
    })
  )

  it.effect("is given back when who asked for it is interrupted meanwhile", () =>
    Effect.gen(function* () {
      const { connection, log } = noting()
      const asked = yield* Deferred.make<void>()
      const waits = Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never)
      const backend = makeBackend(yield* clientOn(connection, log, waits), "sqlite", unprepared, statements, owned)
      const fiber = yield* Effect.fork(Effect.uninterruptibleMask((restore) => backend.begin(restore)))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(log, ["lent", "given back"])
    })
  )

  it.effect(
    "is given back after a read, whether it succeeds or not, and leaves nothing of ours in the environment",
    () =>
      Effect.gen(function* () {
        const { connection, log } = noting(["bad"])
        const backend = makeBackend(yield* clientOn(connection, log), "sqlite", unprepared, statements, owned)
        const read = (sql: string) =>
          Effect.uninterruptible(
            backend.peek(identity, ({ raw }) =>
              Effect.catchAll(Effect.asVoid(raw.execute(sql, [], undefined)), () => Effect.die("bug"))
            )
          )
        const before = yield* Effect.context<never>()
        yield* read("good")
        yield* Effect.exit(read("bad"))
        assert.isTrue(Equal.equals(yield* Effect.context<never>(), before))
        assert.deepStrictEqual(log, ["lent", "good", "given back", "lent", "bad", "given back"])
      })
  )
})

/**
 * A connection that answers with its parameters; those that are "slow" wait. `late` says whether what runs a statement takes the
 * parameters when it runs, or when it is made.
 */
const answering = (late: boolean) => {
  const prepared: Array<string> = []
  const slow = Effect.unsafeMakeLatch()
  const answer = (params: ReadonlyArray<unknown>) => {
    const row = { answer: params[0] }
    return Effect.as(params[0] === "slow" ? slow.await : Effect.void, [row])
  }
  const run = (_: string, params: ReadonlyArray<unknown>) => Effect.suspend(() => answer(params))
  const connection: Connection = {
    execute: run,
    executeRaw: run,
    executeValues: () => Effect.dieMessage("not needed here"),
    executeUnprepared: (sql, params) => {
      if (sql === "bad") throw new Error("cannot be prepared")
      prepared.push(sql)
      // What a fiber does next may be some time off.
      return late ? Effect.zipRight(Effect.yieldNow(), run(sql, params)) : answer([...params])
    },
    executeStream: (sql, params) => Stream.fromEffect(run(sql, params))
  }
  return { connection, prepared, slow }
}

const sessionWith = (connection: Connection, preparing: Preparing) =>
  Effect.gen(function* () {
    const backend = makeBackend(yield* clientOn(connection, []), "sqlite", preparing, statements, owned)
    const session = yield* Effect.uninterruptible(backend.begin(identity))
    const ask = (answer: unknown) => execute(session, "ask", "work", [answer])
    return { session, ask }
  })

describe("a statement that stays prepared", () => {
  it.effect("is prepared once, and runs with the parameters that it is given", () =>
    Effect.gen(function* () {
      const { connection, prepared } = answering(true)
      const { ask } = yield* sessionWith(connection, yield* preparingOn(connection))
      for (const answer of [1, 2, "three"]) assert.deepStrictEqual(yield* ask(answer), [{ answer }])
      assert.strictEqual(prepared.filter((sql) => sql === "work").length, 1)
    })
  )

  it.effect("keeps its parameters until its run has ended, whoever else runs it meanwhile", () =>
    Effect.gen(function* () {
      const { connection, slow } = answering(true)
      const { ask } = yield* sessionWith(connection, yield* preparingOn(connection))
      const first = yield* Effect.fork(ask("slow"))
      yield* Effect.yieldNow()
      assert.deepStrictEqual(yield* ask("fast"), [{ answer: "fast" }])
      yield* slow.open
      assert.deepStrictEqual(yield* Fiber.join(first), [{ answer: "slow" }])
      assert.deepStrictEqual(yield* ask("again"), [{ answer: "again" }])
    })
  )

  it.effect("gives no wrong answer after a run that was interrupted", () =>
    Effect.gen(function* () {
      const { connection } = answering(true)
      const { ask } = yield* sessionWith(connection, yield* preparingOn(connection))
      const first = yield* Effect.fork(ask("slow"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      for (const answer of [1, 2]) assert.deepStrictEqual(yield* ask(answer), [{ answer }])
    })
  )

  it.effect("is left to a client that takes the parameters earlier", () =>
    Effect.gen(function* () {
      const { connection, prepared } = answering(false)
      const { ask } = yield* sessionWith(connection, yield* preparingOn(connection))
      for (const answer of [1, 2]) assert.deepStrictEqual(yield* ask(answer), [{ answer }])
      assert.isFalse(prepared.includes("work"))
    })
  )

  it.effect("is left to the client when it cannot be prepared", () =>
    Effect.gen(function* () {
      const { connection } = answering(true)
      const { session } = yield* sessionWith(connection, yield* preparingOn(connection))
      assert.deepStrictEqual(yield* execute(session, "ask", "bad", [1]), [{ answer: 1 }])
    })
  )
})

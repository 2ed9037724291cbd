import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * Savepoints that are set when the first statement after them runs: most handlers of messages write nothing, and then a
 * savepoint would be two statements for each message.
 *
 * @internal
 */
export interface Savepoints {
  /** The connection on which every statement sets first what is owed. */
  readonly connection: Connection
  readonly areOwed: () => boolean
  /** From here on a savepoint is owed. */
  readonly owe: (statement: string) => void
  /** Takes back the newest savepoint, if nothing has run since, so that it was never set. */
  readonly cancel: () => boolean
  /** The transaction is over. */
  readonly clear: () => void
}

/**
 * @internal
 */
export const makeSavepoints = (raw: Connection): Savepoints => {
  const owed: Array<string> = []

  // Uninterruptible, so that what is set and what is owed never differ.
  const pay = Effect.uninterruptible(
    Effect.whileLoop({
      while: () => owed.length > 0,
      body: () => raw.execute(owed[0] ?? "", [], undefined),
      step: () => void owed.shift()
    })
  )
  const paid = <A>(run: () => Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    Effect.suspend(() => (owed.length === 0 ? run() : Effect.zipRight(pay, run())))

  const connection: Connection = {
    execute: (sql, params, transform) => paid(() => raw.execute(sql, params, transform)),
    executeRaw: (sql, params) => paid(() => raw.executeRaw(sql, params)),
    executeValues: (sql, params) => paid(() => raw.executeValues(sql, params)),
    executeStream: (sql, params, transform) =>
      Stream.unwrap(Effect.map(pay, () => raw.executeStream(sql, params, transform))),
    executeUnprepared: (sql, params, transform) => {
      // Of some clients this throws, at once.
      if (owed.length === 0) return raw.executeUnprepared(sql, params, transform)
      const run = Effect.try({
        try: () => raw.executeUnprepared(sql, params, transform),
        catch: (cause) => new SqlError({ cause, message: "Failed to prepare statement" })
      })
      return Effect.zipRight(pay, Effect.flatten(run))
    }
  }
  return {
    connection,
    areOwed: () => owed.length > 0,
    owe: (statement) => owed.push(statement),
    cancel: () => owed.pop() !== undefined,
    clear: () => {
      owed.length = 0
    }
  }
}

import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** A connection that only notes what it is to run; statements in `failing` fail. */
export const noting = (failing: ReadonlyArray<string> = []) => {
  const log: Array<string> = []
  const run = (sql: string) =>
    Effect.suspend(() => {
      log.push(sql)
      return failing.includes(sql)
        ? Effect.fail(new SqlError({ cause: new Error(sql), message: sql }))
        : Effect.succeed([])
    })
  const connection: Connection = {
    execute: run,
    executeRaw: run,
    executeValues: run,
    executeUnprepared: run,
    executeStream: (sql) => Stream.fromEffect(run(sql))
  }
  return { log, connection }
}

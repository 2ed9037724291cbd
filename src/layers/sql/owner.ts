import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { StoreCorruptError, StoreUnavailableError, type StoreError } from "../../errors/StoreError.ts"
import { typed } from "./errors.ts"
import * as Rows from "./rows.ts"
import { execute, type Session } from "./sessions.ts"
import type { Dialect, Statements } from "./statements.ts"

/**
 * Passes in a transaction of the kernel that opened the store last, and keeps everybody else from opening it until that
 * transaction ends; fails in those of any other kernel.
 *
 * @internal
 */
export type StillOurs = (session: Session) => Effect.Effect<void, StoreError>

const operation = "begin a transaction"

const missing = () => new StoreCorruptError({ where: "remotes_owner", reason: "its row is missing" })

/**
 * Takes the store over from whoever has it. Two kernels would undo each other's numbers, and whether the one before still
 * lives cannot be told from a store: so the newest wins at once, also after a crash, and any older one finds out before it
 * changes anything.
 *
 * @internal
 */
export const takeOver = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  statements: Statements
): Effect.Effect<StillOurs, StoreError> =>
  typed(
    "take the store over",
    sql.withTransaction(
      Effect.gen(function* () {
        // SQLite waits for a turn under way as long as its busy_timeout says, PostgreSQL would wait for ever.
        if (dialect === "pg") yield* sql.unsafe("SET LOCAL lock_timeout = '5s'")
        const [row] = yield* sql.unsafe(statements.takeOver)
        if (row === undefined) return yield* missing()
        return stillOurs(Rows.numberIn(row, "generation"), statements)
      })
    )
  )

const stillOurs =
  (generation: number, { findOwner }: Statements): StillOurs =>
  (session) =>
    Effect.flatMap(execute(session, operation, findOwner, []), ([row]): Effect.Effect<void, StoreError> => {
      if (Rows.numberIn(row, "generation") === generation) return Effect.void
      return row === undefined ? missing() : new StoreUnavailableError({ operation, reason: "TakenOver" })
    })

import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import type { StoreError } from "../../errors/StoreError.ts"
import type { Turns } from "../../internal/turns.ts"
import { execute, executeFor, type Session } from "./sessions.ts"
import type { BulkInsert, Statements } from "./statements.ts"

/**
 * What works on the tables.
 *
 * @internal
 */
export interface Tables {
  readonly turns: Turns<Session>
  readonly statements: Statements
  /** How many dead letters are kept. */
  readonly maxDeadLetters: number
  readonly query: <A>(
    operation: string,
    statement: string,
    params: ReadonlyArray<unknown>,
    decode: (rows: ReadonlyArray<unknown>) => Effect.Effect<A, StoreError>
  ) => Effect.Effect<A, StoreError>
  readonly change: (
    operation: string,
    statement: string,
    params: ReadonlyArray<unknown>
  ) => Effect.Effect<void, StoreError>
}

/**
 * @internal
 */
export const makeTables = (turns: Turns<Session>, statements: Statements, maxDeadLetters: number): Tables => ({
  turns,
  statements,
  maxDeadLetters,
  query: (operation, statement, params, decode) =>
    turns.read((session) => Effect.flatMap(execute(session, operation, statement, params), decode)),
  change: (operation, statement, params) =>
    turns.write((session) => executeFor(session, operation, statement, params, constVoid))
})

/**
 * @internal
 */
export const insertAll = <A>(
  session: Session,
  operation: string,
  insert: BulkInsert,
  items: ReadonlyArray<A>,
  paramsOf: (item: A, index: number) => ReadonlyArray<unknown>
): Effect.Effect<void, StoreError> => {
  let done = 0
  return Effect.whileLoop({
    while: () => done < items.length,
    body: () => {
      const { rows, sql } = insert.next(items.length - done)
      const from = done
      done += rows
      const params = items.slice(from, done).flatMap((item, at) => paramsOf(item, from + at))
      // Emptied, or the bodies in it would be in memory for as long as the garbage of this transaction is.
      return executeFor(session, operation, sql, params, () => void params.splice(0))
    },
    step: () => {}
  })
}

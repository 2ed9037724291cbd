import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Rows from "./rows.ts"

type Run = Effect.Effect<ReadonlyArray<unknown>, SqlError>

/**
 * A statement that stays prepared: to run it again, its parameters are exchanged. To look it up among those that the client has
 * prepared would take eleven steps of Effect's run loop, each time.
 *
 * @internal
 */
export interface Prepared {
  readonly run: Run
  readonly params: Array<unknown>
  /** Whether its parameters belong to a run that has not ended. After one that was interrupted it stays so, and is left to the client. */
  taken: boolean
}

/**
 * The statements that stay prepared, for each connection: no more than this library has texts.
 *
 * @internal
 */
export interface Preparing {
  /**
   * Takes a statement for one run, which has to follow, and gives it its parameters. Undefined if it has to be run in the client's
   * own way: another run has it, it cannot be prepared, or the client does not work like that.
   */
  readonly take: (connection: Connection, sql: string, params: ReadonlyArray<unknown>) => Prepared | undefined
}

/**
 * The run has ended. What it was given is let go, because a body would otherwise live until the next one.
 *
 * @internal
 */
export const letGo = (statement: Prepared): void => {
  statement.params.length = 0
  statement.taken = false
}

/**
 * Leaves everything to the client.
 *
 * @internal
 */
export const unprepared: Preparing = { take: () => undefined }

const prepare = (connection: Connection, sql: string): Prepared | undefined => {
  const params: Array<unknown> = []
  try {
    return { run: connection.executeUnprepared(sql, params, undefined), params, taken: false }
  } catch {
    // Whatever it is, the client comes upon it as well and tells it.
    return undefined
  }
}

const makePreparing = (): Preparing => {
  const all = new WeakMap<Connection, Map<string, Prepared>>()
  const statementsOf = (connection: Connection) => {
    const known = all.get(connection)
    if (known !== undefined) return known
    const none = new Map<string, Prepared>()
    all.set(connection, none)
    return none
  }
  return {
    take: (connection, sql, params) => {
      const statements = statementsOf(connection)
      const statement = statements.get(sql) ?? prepare(connection, sql)
      if (statement === undefined || statement.taken) return undefined
      statements.set(sql, statement)
      statement.taken = true
      for (const param of params) statement.params.push(param)
      return statement
    }
  }
}

/**
 * Asks the connection whether what runs a statement can be run again, and takes the parameters that are there by then. No type
 * says so.
 *
 * @internal
 */
export const preparingOn = (connection: Connection): Effect.Effect<Preparing, SqlError> =>
  Effect.suspend(() => {
    const params = [1]
    const run = connection.executeUnprepared("SELECT ? AS answer", params, undefined)
    const answer = (param: number) =>
      Effect.suspend(() => {
        params[0] = param
        return Effect.map(run, ([row]) => Rows.numberIn(row, "answer") === param)
      })
    return Effect.zipWith(answer(2), answer(3), (second, third) => (second && third ? makePreparing() : unprepared))
  })

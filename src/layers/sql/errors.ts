import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { StoreCorruptError, StoreUnavailableError, type StoreError } from "../../errors/StoreError.ts"

/** What a database said, with everything that wraps it, outermost first. */
const chain = (error: unknown): ReadonlyArray<unknown> => {
  const all: Array<unknown> = []
  for (
    let it = error;
    it !== undefined && all.length < 8;
    it = Predicate.hasProperty(it, "cause") ? it.cause : undefined
  ) {
    all.push(it)
  }
  return all
}

const codeIn = (errors: ReadonlyArray<unknown>): string | undefined => {
  for (const error of errors) {
    if (Predicate.hasProperty(error, "code") && typeof error.code === "string") return error.code
  }
  return undefined
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : "")

/**
 * SQLite's extended codes begin with the primary one; PostgreSQL's are five characters whose first two name the class.
 */
const unavailable: ReadonlyArray<readonly [RegExp, StoreUnavailableError["reason"]]> = [
  [/^SQLITE_(BUSY|LOCKED)|^(40001|40P01|55P03|53300|53200)$/, "Busy"],
  [/^SQLITE_FULL|^53100$/, "Full"],
  [/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)|^(25006|42501)$/, "NotWritable"],
  [/^SQLITE_MISUSE|^(08...|57P0.)$/, "Closed"]
]

const corrupt = /^SQLITE_(CORRUPT|NOTADB)|^XX00[12]$/

const reasonFor = (code: string | undefined, errors: ReadonlyArray<unknown>): StoreUnavailableError["reason"] => {
  const known = code === undefined ? undefined : unavailable.find(([pattern]) => pattern.test(code))
  if (known !== undefined) return known[1]
  return errors.some((it) => messageOf(it).includes("connection is not open")) ? "Closed" : "Failed"
}

/**
 * What the database's error means to a caller; `operation` completes "the store could not …".
 *
 * @internal
 */
export const storeError = (operation: string, error: unknown): StoreError => {
  const errors = chain(error)
  const code = codeIn(errors)
  return code !== undefined && corrupt.test(code)
    ? new StoreCorruptError({ where: "the database", reason: messageOf(errors.at(-1)), cause: error })
    : new StoreUnavailableError({ operation, reason: reasonFor(code, errors), cause: error })
}

/**
 * The same error without what the database said, which may repeat what was to be stored.
 *
 * @internal
 */
export const withoutCause = (error: StoreError): StoreError =>
  error._tag === "StoreCorruptError"
    ? new StoreCorruptError({ where: error.where, reason: error.reason })
    : new StoreUnavailableError({ operation: error.operation, reason: error.reason })

/** better-sqlite3 has no code for this one. */
const noDirectory = "Cannot open database because the directory does not exist"

const openError = (defect: unknown): StoreError | undefined => {
  const errors = chain(defect)
  if (errors.some((it) => messageOf(it) === noDirectory)) {
    return new StoreUnavailableError({ operation: "open the database", reason: "NotWritable", cause: defect })
  }
  return codeIn(errors)?.startsWith("SQLITE_") === true ? storeError("open the database", defect) : undefined
}

/**
 * The typed error behind the cause of a failed start, if it is SQLite's: its drivers throw what goes wrong while
 * opening.
 *
 * @internal
 */
export const openErrorIn = (cause: Cause.Cause<unknown>): StoreError | undefined => {
  for (const defect of Cause.defects(cause)) {
    const error = openError(defect)
    if (error !== undefined) return error
  }
  return undefined
}

/**
 * Turns everything that can go wrong while the tables are made ready into what it means; the migrator and the drivers
 * throw much of it. Interruption stays interruption.
 *
 * @internal
 */
export const typed = <A, R>(operation: string, effect: Effect.Effect<A, unknown, R>): Effect.Effect<A, StoreError, R> =>
  Effect.catchAllCause(effect, (cause): Effect.Effect<never, StoreError> => {
    if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
    const error = Cause.squash(cause)
    return Effect.fail(
      error instanceof StoreCorruptError || error instanceof StoreUnavailableError
        ? error
        : storeError(operation, error)
    )
  })

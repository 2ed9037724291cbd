/**
 * What the durable store can fail with.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { excerpt } from "./excerpt.ts"

const reasons = {
  Busy: "it is busy",
  Full: "it is full",
  NotWritable: "it cannot be written",
  Closed: "it is closed",
  TakenOver: "another kernel has opened it since",
  Failed: "it failed"
}

/**
 * The store did not take or give data: busy, full, gone, not writable, or another kernel's by now. What was to be written is not.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreUnavailableError extends Schema.TaggedError<StoreUnavailableError>()("StoreUnavailableError", {
  operation: Schema.String,
  reason: Schema.Literal("Busy", "Full", "NotWritable", "Closed", "TakenOver", "Failed"),
  cause: Schema.optional(Schema.Defect)
}) {
  /** Whether the same call may succeed later without anybody doing something about it. */
  get isTransient() {
    return this.reason === "Busy" || this.reason === "Full"
  }
  override get message() {
    return `the store could not ${excerpt(this.operation)}: ${reasons[this.reason]}`
  }
}

/**
 * What the store holds is not what was written to it, or not a store of this library.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreCorruptError extends Schema.TaggedError<StoreCorruptError>()("StoreCorruptError", {
  where: Schema.String,
  reason: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message() {
    return `the store is damaged in ${excerpt(this.where)}: ${excerpt(this.reason)}`
  }
}

/**
 * @since 0.1.0
 * @category errors
 */
export type StoreError = StoreUnavailableError | StoreCorruptError

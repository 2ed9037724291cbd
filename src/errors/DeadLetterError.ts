/**
 * What asking for a dead letter can fail with.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * There is no such letter: it was dropped or delivered again, or grew too old, or newer ones took its place.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeadLetterNotFoundError extends Schema.TaggedError<DeadLetterNotFoundError>()("DeadLetterNotFoundError", {
  id: Schema.Number
}) {
  override get message() {
    return `there is no dead letter ${this.id}`
  }
}

/**
 * The letter holds nothing that could be delivered again: a question or an answer between the kernels that nobody waits for
 * any more (`NotADelivery`), or nothing that can be read (`Unreadable`).
 *
 * @since 0.1.0
 * @category errors
 */
export class NotRedrivableError extends Schema.TaggedError<NotRedrivableError>()("NotRedrivableError", {
  id: Schema.Number,
  reason: Schema.Literal("NotADelivery", "Unreadable")
}) {
  override get message() {
    return this.reason === "NotADelivery"
      ? `dead letter ${this.id} holds no delivery`
      : `what dead letter ${this.id} holds cannot be read`
  }
}

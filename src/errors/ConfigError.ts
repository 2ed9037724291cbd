/**
 * What can be wrong with options.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * One or more options are unknown or out of range; each problem names the option and what is allowed.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOptionsError extends Schema.TaggedError<InvalidOptionsError>()("InvalidOptionsError", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `invalid options: ${this.problems.join("; ")}`
  }
}

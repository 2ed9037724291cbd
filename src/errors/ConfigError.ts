/**
 * What can be wrong with options.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { excerpt } from "./excerpt.ts"

/** One problem names all options there are. */
const longest = 1000
const mostProblems = 20

/**
 * One or more options are unknown or out of range. Each problem is a line about one option: its name, what is allowed, and what
 * it is instead, unless that is a secret.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOptionsError extends Schema.TaggedError<InvalidOptionsError>()("InvalidOptionsError", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    const shown = this.problems.slice(0, mostProblems).map((it) => excerpt(it, longest))
    const more = this.problems.length - shown.length
    return `invalid options: ${[...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("; ")}`
  }
}

/**
 * How a run fails.
 */
import * as Data from "effect/Data"

/**
 * The run cannot go on, and `sentence` tells a person why.
 */
export class RunFailed extends Data.TaggedError("RunFailed")<{
  readonly sentence: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.sentence
  }
}

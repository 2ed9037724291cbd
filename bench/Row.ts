/**
 * The rows of the table of targets.
 */
import * as Data from "effect/Data"
import type * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Pair, Target } from "./statistics.ts"
import type { WorkerFailed } from "./workers/failure.ts"

/** The bench cannot go on, and `sentence` tells a person why. */
export class BenchFailed extends Data.TaggedError("BenchFailed")<{ readonly sentence: string }> {
  override get message() {
    return this.sentence
  }
}

/** A figure that is worth knowing beside those that are judged. */
export interface Beside {
  readonly what: string
  readonly value: number
  readonly unit: string
}

/** One line of the table: what was measured, and what it is to be. */
export interface Measured {
  readonly name: string
  readonly what: string
  /** What ours is measured against; undefined where it stands alone. */
  readonly against: string | undefined
  readonly unit: string
  readonly target: Target
  readonly pairs: ReadonlyArray<Pair>
  readonly beside: ReadonlyArray<Beside>
}

/** What a row runs in. */
export interface Bench {
  /** How often each pair is measured. */
  readonly repetitions: number
  /** A new empty directory, on the disk that durable stores are to be on. */
  readonly directory: string
  /** Where workers leave their CPU profiles; undefined if they are to make none. */
  readonly profile: string | undefined
  readonly progress: (line: string) => Effect.Effect<void>
  /** Fails when a worker process ends that was still needed; the row ends with it. */
  readonly died: Deferred.Deferred<never, BenchFailed>
}

/** A row: one program that measures. */
export interface Row {
  readonly name: string
  readonly about: string
  readonly run: (bench: Bench) => Effect.Effect<ReadonlyArray<Measured>, BenchFailed | WorkerFailed, Scope.Scope>
}

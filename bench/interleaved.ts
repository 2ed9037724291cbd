/**
 * Ours and raw in turn, so that whatever else the machine does meanwhile befalls both.
 */
import * as Effect from "effect/Effect"
import type { Bench } from "./Row.ts"

/** One repetition of both. */
export interface Both<Ours, Raw> {
  readonly ours: Ours
  readonly raw: Raw
}

/** Runs both, `warmUps` times unmeasured and then as often as the bench says, and gives what they gave, pair by pair. */
export const interleaved = <A, E, B, E2>(
  bench: Bench,
  name: string,
  {
    ours,
    raw,
    warmUps = 2
  }: {
    readonly ours: Effect.Effect<A, E>
    readonly raw: Effect.Effect<B, E2>
    readonly warmUps?: number
  }
): Effect.Effect<ReadonlyArray<Both<A, B>>, E | E2> =>
  Effect.gen(function* () {
    const pairs: Array<Both<A, B>> = []
    for (let round = 1 - warmUps; round <= bench.repetitions; round += 1) {
      yield* bench.progress(round > 0 ? `${name}: ${round} of ${bench.repetitions}` : `${name}: warming up`)
      const pair = { ours: yield* ours, raw: yield* raw }
      if (round > 0) pairs.push(pair)
    }
    return pairs
  })

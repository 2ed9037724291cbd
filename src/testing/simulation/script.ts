import * as Dices from "./dice.ts"
import type { Fault, FaultKind } from "./kinds.ts"

/**
 * What can happen in a run: kinds of faults with their weights, and how often, in seconds between two on average.
 *
 * @internal
 */
export interface ScriptOptions {
  readonly seed: number
  readonly kernels: ReadonlyArray<string>
  readonly seconds: number
  readonly weights: ReadonlyArray<readonly [FaultKind, number]>
  readonly every: number
}

/** How long a fault may last, in milliseconds; most last shorter than the shortest deadline of a kernel, some longer. */
const longest = 20_000

const pick = (weights: ScriptOptions["weights"], drawn: number): FaultKind | undefined => {
  let left = drawn * weights.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [kind, weight] of weights) {
    left -= weight
    if (left < 0) return kind
  }
  return weights.at(-1)?.[0]
}

/**
 * Draws the faults of a run.
 *
 * @internal
 */
export const draw = ({ every, kernels, seconds, seed, weights }: ScriptOptions): ReadonlyArray<Fault> => {
  const dice = Dices.make(seed, "faults")
  const script: Array<Fault> = []
  for (let at = dice.between(0, every * 1000); at < seconds * 1000; at += dice.between(0, 2 * every * 1000)) {
    const kind = pick(weights, dice.next())
    const index = dice.whole(0, kernels.length - 1)
    const kernel = kernels[index]
    const other = kernels[(index + dice.whole(1, Math.max(1, kernels.length - 1))) % kernels.length]
    const strength = Math.round(dice.next() * 1000) / 1000
    const lasts = Math.round(100 + dice.next() ** 2 * longest)
    if (kind === undefined || kernel === undefined || other === undefined) continue
    script.push({ kind, at: Math.round(at), lasts, kernel, other, strength })
  }
  return script
}

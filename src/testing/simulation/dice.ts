import { PCGRandom } from "effect/Utils"

/**
 * Draws that belong to one purpose, so that to leave one thing out of a run changes nothing about the others.
 *
 * @internal
 */
export interface Dice {
  /** From 0 to below 1. */
  readonly next: () => number
  readonly between: (least: number, most: number) => number
  readonly whole: (least: number, most: number) => number
  readonly chance: (probability: number) => boolean
  readonly oneOf: <A>(choices: readonly [A, ...ReadonlyArray<A>]) => A
}

/** FNV-1a, 32 bits. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/**
 * @internal
 */
export const make = (seed: number, purpose: string): Dice => {
  const generator = new PCGRandom(seed >>> 0, hashOf(purpose), hashOf(`${purpose} ${seed}`))
  const next = () => generator.number()
  const whole = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    next,
    between: (least, most) => least + next() * (most - least),
    whole,
    chance: (probability) => next() < probability,
    oneOf: (choices) => choices[whole(0, choices.length - 1)] ?? choices[0]
  }
}

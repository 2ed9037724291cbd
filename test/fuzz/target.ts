import type { Draw } from "./mutate.ts"

/** Something that reads foreign input; it takes one at once, and what does not hold is thrown. */
export interface Target {
  readonly name: string
  readonly about: string
  readonly input: (draw: Draw) => void
}

import type { Dice } from "./dice.ts"

/**
 * What goes wrong inside of a kernel: with which probability its disk fails, it dies, or its handler does not do what it should.
 *
 * @internal
 */
export interface Chaos {
  busy: number
  full: number
  failed: number
  diesBefore: number
  diesAfter: number
  handler: { readonly does: "throws" | "rejects" | "isBusy" | "isSlow"; readonly probability: number } | undefined
  /** Called with what happened. */
  readonly happened: (what: ChaosEvent) => void
  readonly dice: Dice
}

/**
 * @internal
 */
export type ChaosEvent =
  | "busy"
  | "full"
  | "failed"
  | "diesBefore"
  | "diesAfter"
  | "throws"
  | "rejects"
  | "isBusy"
  | "isSlow"

/**
 * @internal
 */
export const none = (dice: Dice, happened: Chaos["happened"]): Chaos => ({
  busy: 0,
  full: 0,
  failed: 0,
  diesBefore: 0,
  diesAfter: 0,
  handler: undefined,
  happened,
  dice
})

/**
 * All is well again.
 *
 * @internal
 */
export const calm = (chaos: Chaos): void => {
  Object.assign(chaos, { busy: 0, full: 0, failed: 0, diesBefore: 0, diesAfter: 0, handler: undefined })
}

/**
 * Whether the thing with this probability happens now; nothing is drawn where it cannot.
 *
 * @internal
 */
export const strikes = (chaos: Chaos, what: "busy" | "full" | "failed" | "diesBefore" | "diesAfter"): boolean => {
  if (chaos[what] === 0 || !chaos.dice.chance(chaos[what])) return false
  chaos.happened(what)
  return true
}

/** What the fuzzer asks, as its program needs it too, where there is no Vitest. */
import * as Assert from "node:assert/strict"

export const deepStrictEqual: (actual: unknown, expected: unknown) => void = Assert.deepStrictEqual
export const strictEqual: (actual: unknown, expected: unknown) => void = Assert.strictEqual
export const match: (text: string, pattern: RegExp) => void = Assert.match
export const isTrue = (value: boolean): void => Assert.equal(value, true)
const compare = (holds: boolean, text: string): void => Assert.equal(holds, true, text)
export const isAtMost = (value: number, most: number): void => compare(value <= most, `${value} is more than ${most}`)
export const isAtLeast = (value: number, least: number): void =>
  compare(value >= least, `${value} is less than ${least}`)
export const isAbove = (value: number, other: number): void => compare(value > other, `${value} is not above ${other}`)
export const isBelow = (value: number, other: number): void => compare(value < other, `${value} is not below ${other}`)
export const notInclude = (text: string, part: string): void =>
  compare(!text.includes(part), `${text} includes ${part}`)

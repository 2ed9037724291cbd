/**
 * What the number of a message says about it, to the kernels and to their checker.
 */
import type { Manners } from "./lines.ts"

/**
 * Whether this is one of the numbers that a kernel does something with.
 */
export const does = (divisor: number, number: number): boolean => divisor !== 0 && number % divisor === 0

/**
 * Whether the receiving kernel never takes a message with this number.
 */
export const isRefused = ({ dies, refuses }: typeof Manners.Type, number: number): boolean =>
  does(refuses, number) || does(dies, number)

/**
 * The highest number up to this one that the receiving kernel takes.
 */
export const lastTaken = (manners: typeof Manners.Type, upTo: number): number => {
  let number = upTo
  while (number > 0 && isRefused(manners, number)) number--
  return number
}

/** Most messages are short. */
const short = 256

/**
 * How many bytes the body of a message has: every hundredth one has all that it may.
 */
export const sizeOf = (number: number, most: number): number =>
  number % 100 === 0 ? most : Math.min(most, 16 + ((number * 37) % short))

/**
 * What many measurements of the same thing say together.
 */

const rising = (values: ReadonlyArray<number>): Array<number> => [...values].sort((a, b) => a - b)

/** The value that `part` (0 to 1) of all values do not exceed; between two of them it is interpolated. */
export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = rising(values)
  const place = (sorted.length - 1) * part
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** The middle and the ends of a number of measurements. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const spreadOf = (values: ReadonlyArray<number>): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values)
})

/** One repetition: ours, and what it is measured against right after it. */
export interface Pair {
  readonly ours: number
  readonly raw: number
}

/** What is judged of a pair: how ours relates to the raw one, or ours alone where there is nothing to relate it to. */
export type Figure = "ratio" | "difference" | "ours"

const figureOf = (figure: Figure, { ours, raw }: Pair): number => {
  switch (figure) {
    case "ratio":
      return ours / raw
    case "difference":
      return ours - raw
    case "ours":
      return ours
  }
}

/** What is judged, pair by pair. */
export const figures = (figure: Figure, pairs: ReadonlyArray<Pair>): ReadonlyArray<number> =>
  pairs.map((pair) => figureOf(figure, pair))

/** What the median of the figures is to be. */
export interface Target {
  readonly figure: Figure
  readonly sense: "at least" | "at most"
  readonly limit: number
}

export const isMet = ({ figure, limit, sense }: Target, pairs: ReadonlyArray<Pair>): boolean => {
  const middle = median(figures(figure, pairs))
  return sense === "at least" ? middle >= limit : middle <= limit
}

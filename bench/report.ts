/**
 * What a run has found, for people and for programs.
 */
import type { Measured } from "./Row.ts"
import type { Spread, Target } from "./statistics.ts"
import { figures, isMet, spreadOf } from "./statistics.ts"

/** One line of the table, judged. */
export interface Line {
  readonly name: string
  readonly what: string
  readonly against: string | undefined
  readonly unit: string
  readonly target: Target
  readonly ours: Spread
  readonly raw: Spread | undefined
  readonly figure: Spread
  readonly met: boolean
  readonly notes: ReadonlyArray<string>
}

/** What the JSON file holds. */
export interface Report {
  readonly machine: string
  readonly repetitions: number
  readonly lines: ReadonlyArray<Line>
}

export const lineOf = ({ pairs, ...measured }: Measured): Line => ({
  ...measured,
  ours: spreadOf(pairs.map(({ ours }) => ours)),
  raw: measured.against === undefined ? undefined : spreadOf(pairs.map(({ raw }) => raw)),
  figure: spreadOf(figures(measured.target.figure, pairs)),
  met: isMet(measured.target, pairs)
})

const number = (value: number): string => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

const spread = ({ max, median, min }: Spread): string => `${number(median)} (${number(min)}–${number(max)})`

const figureUnit = ({ target, unit }: Pick<Line, "target" | "unit">): string =>
  target.figure === "ratio" ? "×" : ` ${unit}`

const targetText = (line: Pick<Line, "target" | "unit">): string =>
  `${line.target.sense === "at least" ? "≥" : "≤"} ${line.target.limit}${figureUnit(line)}`

/** The table, in Markdown: median (lowest–highest) of each. */
export const table = (lines: ReadonlyArray<Line>): string => {
  const head = ["what", "ours", "against", "figure", "target", "met"]
  const body = lines.map((line) => [
    line.what,
    `${spread(line.ours)} ${line.unit}`,
    line.raw === undefined ? "–" : `${line.against}: ${spread(line.raw)} ${line.unit}`,
    `${spread(line.figure)}${figureUnit(line)}`,
    targetText(line),
    line.met ? "yes" : "**no**"
  ])
  const text = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  return [text(head), text(head.map(() => "---")), ...body.map(text)].join("\n")
}

/** What is worth knowing beside the table. */
export const notes = (lines: ReadonlyArray<Line>): ReadonlyArray<string> =>
  lines.flatMap((line) => line.notes.map((note) => `${line.name}: ${note}`))

/**
 * What a run has found, for people and for programs.
 */
import * as Schema from "effect/Schema"
import type { Measured } from "./Row.ts"
import { figures, isMet, spreadOf } from "./statistics.ts"

const Spread = Schema.Struct({ median: Schema.Number, min: Schema.Number, max: Schema.Number })

const Target = Schema.Struct({
  figure: Schema.Literal("ratio", "difference", "ours"),
  sense: Schema.Literal("at least", "at most"),
  limit: Schema.Number
})

const Beside = Schema.Struct({ what: Schema.String, value: Schema.Number, unit: Schema.String })

/** One line of the table, judged. */
export const Line = Schema.Struct({
  name: Schema.String,
  what: Schema.String,
  against: Schema.optional(Schema.String),
  unit: Schema.String,
  target: Target,
  ours: Spread,
  raw: Schema.optional(Spread),
  figure: Spread,
  met: Schema.Boolean,
  beside: Schema.Array(Beside)
})
export type Line = typeof Line.Type

/** What the JSON file holds. */
export const Report = Schema.Struct({
  machine: Schema.String,
  repetitions: Schema.Number,
  lines: Schema.Array(Line)
})
export type Report = typeof Report.Type

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

const spread = ({ max, median, min }: typeof Spread.Type): string => `${number(median)} (${number(min)}–${number(max)})`

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
  lines.flatMap((line) => line.beside.map(({ unit, value, what }) => `${line.name}: ${what}: ${number(value)} ${unit}`))

/**
 * What a run of the bench can be told.
 */
import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Either from "effect/Either"
import type { Row } from "./Row.ts"
import { BenchFailed } from "./Row.ts"
import { rows } from "./rows/all.ts"

const names = rows.map(({ name }) => name).join(", ")

/** The rows that are asked for, in the order of the table; all if none is named. */
export const select = (asked: ReadonlyArray<string>): Either.Either<ReadonlyArray<Row>, BenchFailed> => {
  const option = asked.find((name) => name.startsWith("-"))
  if (option !== undefined)
    return Either.left(new BenchFailed({ sentence: `${option} is no option of the bench, or lacks its value.` }))
  const unknown = asked.find((name) => !rows.some((row) => row.name === name))
  if (unknown !== undefined)
    return Either.left(new BenchFailed({ sentence: `There is no row '${unknown}'; there are ${names}.` }))
  return Either.right(asked.length === 0 ? rows : rows.filter(({ name }) => asked.includes(name)))
}

/** Read as text, because what `Options.integer` says about a wrong value does not tell which option has it. */
const readRepetitions = (text: string) =>
  /^[1-9][0-9]{0,2}$/.test(text)
    ? Either.right(Number(text))
    : Either.left(
        ValidationError.invalidValue(HelpDoc.p(`--repetitions must be a whole number from 1 to 999, but is '${text}'.`))
      )

export const args = Args.text({ name: "row" }).pipe(
  Args.withDescription(`Rows to measure, by default all: ${names}.`),
  Args.repeated
)

export const options = {
  noCheck: Options.boolean("no-check").pipe(
    Options.withDescription("Only look: end with 0 although a target is missed.")
  ),
  json: Options.text("json").pipe(
    Options.withPseudoName("file"),
    Options.withDescription("Write the figures to this file as well, as JSON."),
    Options.optional
  ),
  profile: Options.text("profile").pipe(
    Options.withPseudoName("directory"),
    Options.withDescription("Leave the CPU profiles of all workers in this directory; that slows them down."),
    Options.optional
  ),
  repetitions: Options.text("repetitions").pipe(
    Options.withPseudoName("number"),
    Options.withDescription("How often each pair is measured: a whole number from 1 to 999, by default 7."),
    Options.withDefault("7"),
    Options.mapEffect(readRepetitions)
  )
}

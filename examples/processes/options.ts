/**
 * Options of a command line that say in one sentence what is wrong with them.
 */
import * as CliOptions from "@effect/cli/Options"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Either from "effect/Either"

/**
 * An option that is a whole number.
 */
export interface Range {
  readonly least: number
  readonly most: number
  readonly fallback: number
  readonly about: string
}

/**
 * An option that `read` makes something of, or nothing if it is not as it `must` be.
 */
export interface Value<A> {
  readonly about: string
  readonly fallback: string
  readonly kind: string
  readonly must: string
  readonly read: (text: string) => A | undefined
}

/**
 * Read as text, because what `Options.integer` says about a wrong value does not tell which option has it.
 */
export const value = <A>(name: string, { about, fallback, kind, must, read }: Value<A>) =>
  CliOptions.text(name).pipe(
    CliOptions.withPseudoName(kind),
    CliOptions.withDescription(about),
    CliOptions.withDefault(fallback),
    CliOptions.mapEffect((text) => {
      const found = read(text)
      return found === undefined
        ? Either.left(ValidationError.invalidValue(HelpDoc.p(`--${name} must be ${must}, but is '${text}'.`)))
        : Either.right(found)
    })
  )

/**
 * An option that refuses what is not in its range with one sentence.
 */
export const whole = (name: string, { about, fallback, least, most }: Range) => {
  const isIn = (number: number) => Number.isSafeInteger(number) && number >= least && number <= most
  const read = (text: string) => (/^[+-]?[0-9]+$/.test(text) && isIn(Number(text)) ? Number(text) : undefined)
  const range = `a whole number from ${least} to ${most}`
  return value(name, {
    about: `${about}: ${range}, by default ${fallback}.`,
    fallback: `${fallback}`,
    kind: "number",
    must: range,
    read
  })
}

/**
 * How an option is declared, and how options that somebody gave are checked: in one way for all schemas of options.
 *
 * A declaration is one line that says everything: the type and what is allowed, the default, the description. The tables of
 * the README, the environment and the query string follow from it.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { ArrayFormatter, type ParseError } from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { InvalidOptionsError } from "../errors/ConfigError.ts"
import { excerpt } from "../errors/excerpt.ts"

/**
 * What an option is, as far as its text forms go. One that is structured, or of no kind, can only be given in code.
 *
 * @internal
 */
export type Kind =
  | "duration"
  | "count"
  | "limit"
  | "texts"
  | "flag"
  | "choice"
  | "structured"
  | "secret"
  | "secretParts"

interface Facts {
  readonly kind: Kind
  /** What the option must be, as the end of a sentence about it. */
  readonly allowed: string
  /** The default, for the documentation. */
  readonly fallback: string
  readonly description: string
}

const factsId = Symbol.for("effect-remotes/option")

const annotations = (facts: Facts) => ({ description: facts.description, [factsId]: facts })

/** `undefined` counts as left out. The default message would repeat what was given, which may be an unwrapped secret. */
const given = <A, I>(schema: Schema.Schema<A, I>, allowed: string) =>
  Schema.UndefinedOr(schema).annotations({ message: () => ({ message: allowed, override: true }) })

const withDefault = <A, I>(schema: Schema.Schema<A, I>, facts: Facts, fallback: () => A) =>
  Schema.optionalToRequired(given(schema, facts.allowed), Schema.typeSchema(schema), {
    decode: (it) => Option.getOrUndefined(it) ?? fallback(),
    encode: Option.some
  }).annotations(annotations(facts))

const withoutDefault = <A, I>(schema: Schema.Schema<A, I>, facts: Facts) =>
  Schema.optionalWith(given(schema, facts.allowed), { exact: true }).annotations(annotations(facts))

const isDurationInput = (value: unknown): value is Duration.DurationInput =>
  Option.exists(Duration.decodeUnknown(value), (it) => Duration.isFinite(it) && Duration.toMillis(it) >= 1)

/**
 * Anything that Effect takes as a duration.
 *
 * @internal
 */
export const DurationInput = Schema.transform(Schema.declare(isDurationInput), Schema.DurationFromSelf, {
  strict: true,
  decode: (input) => Duration.decode(input),
  encode: (duration) => duration
})

const durationFacts = (description: string, fallback: string): Facts => ({
  kind: "duration",
  allowed: "must be a finite duration of at least 1 ms",
  fallback,
  description
})

const secondsOfDay = 86_400

/** The larger unit only where it says as much: `10 s`, `50 ms`, `120 s`, `15 min`, `30 days`. */
const durationText = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  if (millis % 1000 !== 0) return `${millis} ms`
  const seconds = millis / 1000
  if (seconds > 2 * secondsOfDay && seconds % secondsOfDay === 0) return `${seconds / secondsOfDay} days`
  return seconds > 120 && seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}

/**
 * A span of time.
 *
 * @internal
 */
export const duration = (fallback: Duration.DurationInput, description: string) => {
  const decoded = Duration.decode(fallback)
  return withDefault(DurationInput, durationFacts(description, durationText(decoded)), () => decoded)
}

/**
 * A span of time between two others.
 *
 * @internal
 */
export const durationBetween = (
  least: Duration.Duration,
  most: Duration.Duration,
  fallback: Duration.DurationInput,
  description: string
) => {
  const decoded = Duration.decode(fallback)
  const Between = DurationInput.pipe(Schema.filter((it) => Duration.between(it, { minimum: least, maximum: most })))
  const allowed = `must be a duration from ${durationText(least)} to ${durationText(most)}`
  return withDefault(Between, { ...durationFacts(description, durationText(decoded)), allowed }, () => decoded)
}

/**
 * A span of time whose default is decided elsewhere.
 *
 * @internal
 */
export const inheritedDuration = (from: string, description: string) =>
  withoutDefault(DurationInput, durationFacts(description, from))

const Count = (least: number) => Schema.Number.pipe(Schema.filter((it) => Number.isSafeInteger(it) && it >= least))

const countFacts = (least: number, description: string, fallback: string): Facts => ({
  kind: "count",
  allowed: `must be a whole number from ${least} on`,
  fallback,
  description
})

/** Digits in groups of three. */
const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ",")

/**
 * A whole number.
 *
 * @internal
 */
export const count = (fallback: number, description: string, least = 1) =>
  withDefault(Count(least), countFacts(least, description, grouped(fallback)), () => fallback)

/**
 * A whole number of bytes.
 *
 * @internal
 */
export const bytes = (fallback: number, description: string, least = 1) =>
  withDefault(Count(least), countFacts(least, description, `${grouped(fallback)} bytes`), () => fallback)

/** How the default of an option is shown that limits nothing. */
export const noLimit = "no limit"

const Limit = Schema.Number.pipe(Schema.filter((it) => it === Infinity || (Number.isSafeInteger(it) && it >= 1)))

/**
 * A whole number, or `Infinity` for no limit; as a text it is digits, and no limit can only be given in code.
 *
 * @internal
 */
export const limit = (fallback: number, description: string) =>
  withDefault(
    Limit,
    {
      kind: "limit",
      allowed: "must be a whole number from 1 on, or Infinity",
      fallback: fallback === Infinity ? noLimit : grouped(fallback),
      description
    },
    () => fallback
  )

/**
 * A whole number whose default is decided elsewhere.
 *
 * @internal
 */
export const inheritedCount = (from: string, description: string, least = 1) =>
  withoutDefault(Count(least), countFacts(least, description, from))

/**
 * A list of texts, by default an empty one.
 *
 * @internal
 */
export const texts = (description: string) =>
  withDefault(
    Schema.Array(Schema.String),
    { kind: "texts", allowed: "must be a list of texts", fallback: "none", description },
    (): ReadonlyArray<string> => []
  )

/**
 * A list of at least one text.
 *
 * @internal
 */
export const someTexts = (fallback: Arr.NonEmptyReadonlyArray<string>, description: string) =>
  withDefault(
    Schema.NonEmptyArray(Schema.NonEmptyString),
    {
      kind: "texts",
      allowed: "must be a list of at least one text, and none of them empty",
      fallback: fallback.map((it) => `\`${it}\``).join(", "),
      description
    },
    () => fallback
  )

/**
 * Yes or no.
 *
 * @internal
 */
export const flag = (fallback: boolean, description: string) =>
  withDefault(
    Schema.Boolean,
    { kind: "flag", allowed: "must be true or false", fallback: String(fallback), description },
    () => fallback
  )

/**
 * One of a few words.
 *
 * @internal
 */
export const choice = <const A extends Arr.NonEmptyReadonlyArray<string>>(
  words: A,
  fallback: A[number],
  description: string
) =>
  withDefault(
    Schema.Literal<A>(...words),
    {
      kind: "choice",
      allowed: `must be ${words.map((it) => `"${it}"`).join(" or ")}`,
      fallback: `\`"${fallback}"\``,
      description
    },
    () => fallback
  )

/**
 * What has more than one part, and so no text form: it can only be given in code.
 *
 * @internal
 */
export const structured = <A, I>(
  schema: Schema.Schema<A, I>,
  allowed: string,
  fallback: { readonly value: A; readonly text: string },
  description: string
) => withDefault(schema, { kind: "structured", allowed, fallback: fallback.text, description }, () => fallback.value)

/**
 * What must not be seen: it is never in a message and never in a query string.
 *
 * @internal
 */
export const secret = (description: string) =>
  withoutDefault(Schema.RedactedFromSelf(Schema.String), {
    kind: "secret",
    allowed: "must be a Redacted string",
    fallback: "none",
    description
  })

/**
 * What must not be seen and has more than one part: it can only be given in code, and is never in a message.
 *
 * @internal
 */
export const secretParts = <A, I>(schema: Schema.Schema<A, I>, allowed: string, description: string) =>
  withoutDefault(schema, { kind: "secretParts", allowed, fallback: "none", description })

/**
 * Whether what was given for an option of this kind must not be shown.
 *
 * @internal
 */
export const isSecret = (kind: Kind | undefined): boolean => kind === "secret" || kind === "secretParts"

/**
 * What a schema of options says about one of them. Without `kind` it was not declared with a helper of this module.
 *
 * @internal
 */
export interface Described {
  readonly name: string
  readonly kind: Kind | undefined
  readonly fallback: string
  readonly description: string
}

/**
 * Every option of a schema, in the order of its declaration.
 *
 * @internal
 */
export const describe = ({ ast }: { readonly ast: AST.AST }): ReadonlyArray<Described> => {
  const literal = AST.isTransformation(ast) ? ast.to : ast
  return AST.getPropertySignatures(literal).map((property) => {
    const facts = Option.getOrUndefined(AST.getAnnotation<Facts>(factsId)(property))
    return {
      name: String(property.name),
      kind: facts?.kind,
      fallback: facts?.fallback ?? "",
      description: facts?.description ?? ""
    }
  })
}

const mostShownItems = 8

/** A value that somebody gave for an option, short and on one line; undefined for what may hide a secret. */
const show = (value: unknown): string | undefined => {
  if (typeof value === "string") return `"${excerpt(value)}"`
  if (Array.isArray(value)) {
    const items = value.slice(0, mostShownItems).map((it) => show(it) ?? "…")
    return `[${[...items, ...(value.length > mostShownItems ? ["…"] : [])].join(", ")}]`
  }
  if (Duration.isDuration(value)) return Duration.isFinite(value) ? Duration.format(value) : "infinite"
  if (Redacted.isRedacted(value) || typeof value === "function" || typeof value === "symbol") return undefined
  return typeof value === "object" && value !== null ? undefined : String(value)
}

/**
 * Where options were read from: what an option is called there, and what was given for it.
 *
 * @internal
 */
export interface Source {
  readonly nameOf: (option: string) => string
  readonly valueOf: (option: string) => unknown
  /** What an option of this kind must be there, where that is not said as in code. */
  readonly allowedOf: (kind: Kind | undefined) => string | undefined
}

const code = (input: unknown): Source => {
  const values = new Map<string, unknown>(typeof input === "object" && input !== null ? Object.entries(input) : [])
  return { nameOf: (option) => option, valueOf: (option) => values.get(option), allowedOf: () => undefined }
}

/**
 * One line about an option: its name, what it must be, and what it is instead.
 *
 * @internal
 */
export const problem = (name: string, allowed: string, value: unknown): string => {
  const shown = show(value)
  return `${name} ${allowed}${shown === undefined ? "" : `, but is ${shown}`}`
}

const toProblems = (
  error: ParseError,
  options: ReadonlyArray<Described>,
  { allowedOf, nameOf, valueOf }: Source
): ReadonlyArray<string> => {
  const issues = ArrayFormatter.formatErrorSync(error).map(({ message, path }) => ({ message, option: path[0] }))
  const each = Arr.dedupeWith(issues, (a, b) => a.option === b.option)
  return each.map(({ message, option }) => {
    if (option === undefined) return "the options must be given as an object"
    const known = options.find(({ name }) => name === option)
    if (known === undefined) {
      return `${excerpt(String(option))} is no option, but these are: ${options.map(({ name }) => name).join(", ")}`
    }
    const name = nameOf(known.name)
    if (isSecret(known.kind)) return `${name} ${message}`
    return problem(name, allowedOf(known.kind) ?? message, valueOf(known.name))
  })
}

/**
 * Completes options with their defaults, or says of each wrong one what it must be.
 *
 * @internal
 */
export const decoder = <A, I>(schema: Schema.Schema<A, I>) => {
  const options = describe(schema)
  const decode = Schema.decodeUnknownEither(schema, { errors: "all", onExcessProperty: "error" })
  return (input: unknown, source: Source = code(input)): Either.Either<A, InvalidOptionsError> =>
    Either.mapLeft(decode(input), (error) => new InvalidOptionsError({ problems: toProblems(error, options, source) }))
}

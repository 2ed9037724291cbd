/**
 * Options as text: from the environment, and from and to a query string. What a text means is checked by the same schema as
 * what is given in code.
 *
 * @internal
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Str from "effect/String"
import { InvalidOptionsError } from "../errors/ConfigError.ts"
import * as Options from "./options.ts"

/**
 * What an option is called in the environment: `REMOTES_ACK_TIMEOUT` for `ackTimeout`.
 *
 * @internal
 */
export const variableOf = (option: string): string => `REMOTES_${Str.camelToSnake(option).toUpperCase()}`

/**
 * What an option is called in a query string: `ackTimeoutMs` for a duration, else its own name.
 *
 * @internal
 */
export const parameterOf = ({ kind, name }: Options.Described): string => (kind === "duration" ? `${name}Ms` : name)

/** Secrets are never in a query string, and what has parts has no text form. */
const hasParameter = (option: Options.Described): option is Options.Described & { readonly kind: Options.Kind } =>
  option.kind !== undefined && option.kind !== "structured" && !Options.isSecret(option.kind)

/** What stands for a text that cannot be read: no option may be that. */
const unreadable = null

const readCount = (text: string): number | null =>
  /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : unreadable

const readFlag = (text: string): boolean | null => (text === "true" ? true : text === "false" ? false : unreadable)

const parseJson: (text: string) => unknown = JSON.parse

const readJson = (text: string): unknown =>
  Either.getOrElse(
    Either.try(() => parseJson(text)),
    () => unreadable
  )

const readParameter = (kind: Options.Kind, text: string): unknown => {
  switch (kind) {
    case "duration": {
      const millis = readCount(text)
      return millis === null ? unreadable : Duration.millis(millis)
    }
    case "count":
    case "limit":
      return readCount(text)
    case "texts":
      return readJson(text)
    case "flag":
      return readFlag(text)
    case "choice":
      return text
    case "structured":
    case "secret":
    case "secretParts":
      return undefined
  }
}

interface Read {
  readonly option: string
  readonly value: unknown
  /** What was to be read, for the message about it. */
  readonly text: unknown
}

type Allowed = Partial<Record<Options.Kind, string>>

const allowedInParameters: Allowed = {
  duration: "must be a whole number of milliseconds from 1 on",
  limit: "must be a whole number from 1 on",
  texts: "must be a list of texts as JSON"
}

const allowedInVariables: Allowed = {
  duration: 'must be a duration of at least 1 ms, such as "10 seconds"',
  limit: "must be a whole number from 1 on"
}

const allowedIn = (allowed: Allowed) => (kind: Options.Kind | undefined) =>
  kind === undefined ? undefined : allowed[kind]

/** What the variables say; those that are not set are left out. */
const readVariable = ({ kind, name }: Options.Described): Config.Config<Option.Option<Read>> => {
  const variable = variableOf(name)
  const read = <A>(config: Config.Config<A>, value: (text: A) => unknown) =>
    Config.option(Config.map(config, (text): Read => ({ option: name, value: value(text), text })))
  switch (kind) {
    case "duration":
    case "choice":
      return read(Config.string(variable), (text) => text)
    case "count":
    case "limit":
      return read(Config.string(variable), readCount)
    case "texts":
      return read(Config.array(Config.string(), variable), (items) => items.filter((it) => it !== ""))
    case "flag":
      return read(Config.string(variable), readFlag)
    case "secret":
      return read(Config.redacted(variable), (text) => text)
    case "structured":
    case "secretParts":
    case undefined:
      return Config.succeed(Option.none())
  }
}

const writeParameter = (value: unknown): string | undefined => {
  if (value === Infinity) return undefined
  if (Duration.isDuration(value)) {
    const millis = Duration.toMillis(value)
    return Number.isSafeInteger(millis) ? String(millis) : undefined
  }
  return Array.isArray(value) ? JSON.stringify(value) : String(value)
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** No limit has no text form, and needs none where it is the default. */
const goesWithoutSaying = ({ fallback }: Options.Described, value: unknown): boolean =>
  isEmptyList(value) || (value === Infinity && fallback === Options.noLimit)

/** The same without what was not given. */
const only = <A extends object>(all: A, given: ReadonlyArray<Read>): Partial<A> => {
  const some: Partial<A> = { ...all }
  for (const name of Object.keys(all)) {
    if (!given.some(({ option }) => option === name)) Reflect.deleteProperty(some, name)
  }
  return some
}

/**
 * The text forms of the options of one schema.
 *
 * @internal
 */
export const make = <A extends object, I extends object>(schema: Schema.Schema<A, I>) => {
  const options = Options.describe(schema)
  const decode = Options.decoder(schema)

  const decodeRead = (given: ReadonlyArray<Read>, source: Omit<Options.Source, "valueOf">) => {
    const input = Object.fromEntries(given.map(({ option, value }) => [option, value]))
    const valueOf = (name: string) => given.find(({ option }) => option === name)?.text
    return Either.map(decode(input, { ...source, valueOf }), (all) => only(all, given))
  }

  const fromConfig: Effect.Effect<Partial<A>, InvalidOptionsError | ConfigError> = Effect.flatMap(
    Effect.forEach(options, readVariable),
    (read) => decodeRead(read.flatMap(Option.toArray), { nameOf: variableOf, allowedOf: allowedIn(allowedInVariables) })
  )

  const parameters = new Map(options.map((it) => [it.name, parameterOf(it)]))
  const fromQueryString = (search: string | undefined): Either.Either<Partial<A>, InvalidOptionsError> => {
    const query = new URLSearchParams(search ?? "")
    const given = options.flatMap((option): ReadonlyArray<Read> => {
      const text = query.get(parameterOf(option))
      if (text === null || !hasParameter(option)) return []
      return [{ option: option.name, value: readParameter(option.kind, text), text }]
    })
    return decodeRead(given, {
      nameOf: (name) => parameters.get(name) ?? name,
      allowedOf: allowedIn(allowedInParameters)
    })
  }

  const toQueryString = (input: I): Either.Either<string, InvalidOptionsError> =>
    Either.flatMap(decode(input), (all) => {
      const values = new Map<string, unknown>(Object.entries(all))
      const given = new Map<string, unknown>(Object.entries(input))
      const query = new URLSearchParams()
      const problems: Array<string> = []
      for (const option of options) {
        const value = values.get(option.name)
        if (given.get(option.name) === undefined || goesWithoutSaying(option, value)) continue
        if (!hasParameter(option)) continue
        const text = writeParameter(value)
        if (text !== undefined) query.set(parameterOf(option), text)
        else {
          const allowed = option.kind === "duration" ? "must be whole milliseconds" : "must be a finite number"
          problems.push(Options.problem(option.name, `${allowed} in a query string`, value))
        }
      }
      return problems.length === 0 ? Either.right(query.toString()) : Either.left(new InvalidOptionsError({ problems }))
    })

  return { fromConfig, fromQueryString, toQueryString }
}

/**
 * What a run can be told, and what follows from it.
 */
import * as CliOptions from "@effect/cli/Options"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

/**
 * How a run is to be.
 */
export interface Settings {
  readonly messages: number
  readonly size: number
  readonly kills: number
  readonly resets: number
  readonly transport: "tcp" | "ws"
  readonly keep: boolean
  readonly seed: number
}

interface Range {
  readonly least: number
  readonly most: number
  readonly fallback: number
  readonly about: string
}

interface Value<A> {
  readonly about: string
  readonly fallback: string
  readonly kind: string
  readonly must: string
  readonly read: (text: string) => A | undefined
}

/** Read as text, because what `Options.integer` says about a wrong value does not tell which option has it. */
const value = <A>(name: string, { about, fallback, kind, must, read }: Value<A>) =>
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

const whole = (name: string, { about, fallback, least, most }: Range) => {
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

const transports = ["tcp", "ws"] as const

/**
 * The options of the command line; each refuses what is out of its range with one sentence.
 */
export const options = {
  messages: whole("messages", { least: 1, most: 1_000_000, fallback: 10_000, about: "How many messages alice sends" }),
  size: whole("size", { least: 16, most: 1_000_000, fallback: 256, about: "How many bytes the body of a message has" }),
  kills: whole("kills", {
    least: 0,
    most: 100,
    fallback: 3,
    about: "How often a kernel is killed and restarted, alice every third time and bob the other times"
  }),
  resets: whole("resets", { least: 0, most: 100, fallback: 3, about: "How often the connection is reset" }),
  transport: value("transport", {
    about: "What the connection runs on: TCP, which is the default, or WebSocket.",
    fallback: "tcp",
    kind: "tcp | ws",
    must: "tcp or ws",
    read: (text) => transports.find((it) => it === text)
  }),
  keep: CliOptions.boolean("keep").pipe(
    CliOptions.withDescription("Keep the two stores and logs, and print where they are.")
  ),
  seed: whole("seed", {
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
    fallback: 1,
    about: "Decides at which moments kernels are killed and the connection is reset"
  })
}

/**
 * Says which option at the end of the command line lacks its value; the parser would call it unknown.
 */
export const lackingValue = (args: ReadonlyArray<string>): Option.Option<string> => {
  const last = args.at(-1)
  const names = Object.keys(options).filter((name) => name !== "keep")
  return names.some((name) => last === `--${name}`) ? Option.some(`${last} needs a value.`) : Option.none()
}

/**
 * Refuses settings that are fine one by one but not together: each kill and each reset needs a message behind it.
 */
export const check = (settings: Settings): Either.Either<Settings, string> => {
  const disruptions = settings.kills + settings.resets
  return disruptions < settings.messages
    ? Either.right(settings)
    : Either.left(
        `--kills and --resets together must be fewer than --messages, but are ${disruptions} of ${settings.messages}.`
      )
}

/**
 * How alice sends: `turn` messages in one transaction, and the next turn once fewer than `window` are unacknowledged.
 */
export interface Pace {
  readonly turn: number
  readonly window: number
}

const windowBytes = 32 * 1024 * 1024

/**
 * The pace for a run: quick, but never near the limits of the library, and with something still to come at every kill.
 */
export const pace = ({ messages, size }: Pick<Settings, "messages" | "size">): Pace => {
  const window = Math.max(1, Math.min(2_000, Math.floor(messages / 8), Math.floor(windowBytes / size)))
  return { turn: Math.max(1, Math.min(64, Math.floor(window / 2))), window }
}

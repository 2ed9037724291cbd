/**
 * What a hunt can be told.
 */
import * as CliOptions from "@effect/cli/Options"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { kinds as protocolKinds } from "../../src/testing/simulation/protocol.ts"
import type { FaultKind } from "../../src/testing/Simulation.ts"
import { allFaultKinds, isFaultKind } from "../../src/testing/Simulation.ts"

export type Mode = "real" | "protocol"

export interface Settings {
  readonly seeds: number
  readonly from: number
  readonly faults: ReadonlyArray<FaultKind>
  readonly minutes: number
  readonly mode: Mode
  readonly workers: number
  /** Whether each seed is run twice, and must go the same way. */
  readonly repeat: boolean
}

/** Read as text, because what `Options.integer` says about a wrong value does not tell which option has it. */
const value = <A>(
  name: string,
  {
    about,
    fallback,
    kind,
    must,
    read
  }: Record<"about" | "fallback" | "kind" | "must", string> & {
    readonly read: (text: string) => A | undefined
  }
) =>
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

const whole = (name: string, about: string, least: number, most: number, fallback: number) => {
  const range = `a whole number from ${least} to ${most}`
  const isIn = (number: number) => number >= least && number <= most
  return value(name, {
    about: `${about}: ${range}, by default ${fallback}.`,
    fallback: `${fallback}`,
    kind: "number",
    must: range,
    read: (text) => (/^[0-9]{1,15}$/.test(text) && isIn(Number(text)) ? Number(text) : undefined)
  })
}

const modes = ["real", "protocol"] as const

const readFaults = (text: string): ReadonlyArray<FaultKind> | undefined => {
  if (text === "all") return allFaultKinds
  const names = text.split(",")
  const kinds = names.filter(isFaultKind)
  return kinds.length === names.length ? kinds : undefined
}

/**
 * The options of the command line; each refuses what is out of its range with one sentence.
 */
export const options = {
  seeds: whole("seeds", "How many seeds are run, all of them in the one mode that --mode names", 1, 1_000_000_000, 200),
  from: whole("from", "The first seed", 0, 1_000_000_000, 1),
  faults: value("faults", {
    about: `Which kinds of faults there are, with commas between them: ${allFaultKinds.join(", ")}; by default all.`,
    fallback: "all",
    kind: "kinds",
    must: `all, or some of ${allFaultKinds.join(",")}`,
    read: readFaults
  }),
  minutes: whole("minutes", "After how many minutes no further seed is begun, 0 for never", 0, 10_000, 0),
  mode: value("mode", {
    about:
      "What is simulated: the real services, which is the default, or only the pure state machines, of which many times as many runs fit in a second.",
    fallback: "real",
    kind: "real | protocol",
    must: "real or protocol",
    read: (text) => modes.find((it) => it === text)
  }),
  workers: whole("workers", "How many workers share the seeds", 1, 64, 2),
  repeat: CliOptions.boolean("repeat").pipe(
    CliOptions.withDescription("Runs each seed twice; that it goes another way the second time is an anomaly.")
  )
}

/**
 * Says which option at the end of the command line lacks its value; the parser would call it unknown.
 */
export const lackingValue = (args: ReadonlyArray<string>): Option.Option<string> => {
  const last = args.at(-1)
  return Object.keys(options).some((name) => name !== "repeat" && last === `--${name}`)
    ? Option.some(`${last} needs a value.`)
    : Option.none()
}

/**
 * Refuses settings that are fine one by one but not together: the state machines know fewer kinds of faults.
 */
export const check = (settings: Settings): Either.Either<Settings, string> => {
  if (settings.mode === "real") return Either.right(settings)
  const known: ReadonlySet<FaultKind> = new Set(protocolKinds)
  const strange = settings.faults.filter((kind) => !known.has(kind))
  if (strange.length === 0) return Either.right(settings)
  if (settings.faults.length === allFaultKinds.length) return Either.right({ ...settings, faults: protocolKinds })
  return Either.left(`--mode protocol knows no ${strange.join(", ")}, but only ${protocolKinds.join(", ")}.`)
}

/**
 * Fuzzes the decoders, the parsers and the inbound state machine. `--help` tells the options; the exit code is 1 when anything
 * did not hold.
 */
import * as CliCommand from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as CliOptions from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Doc from "@effect/printer/Doc"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Row } from "./run.ts"
import { names, run } from "./run.ts"

class FoundError extends Data.TaggedError("FoundError")<{ readonly message: string }> {}

const invalid = (text: string) => Either.left(ValidationError.invalidValue(HelpDoc.p(text)))

/** Read as text, because what `Options.integer` says about a wrong value does not tell which option has it. */
const count = (name: string, fallback: number, least: number, about: string) =>
  CliOptions.text(name).pipe(
    CliOptions.withPseudoName("number"),
    CliOptions.withDescription(`${about}; by default ${fallback}.`),
    CliOptions.withDefault(String(fallback)),
    CliOptions.mapEffect((text) => {
      const most = 1_000_000_000
      return /^[0-9]{1,10}$/u.test(text) && Number(text) >= least && Number(text) <= most
        ? Either.right(Number(text))
        : invalid(
            `--${name} must be a whole number from ${least} to ${most}, but is ${JSON.stringify(text.slice(0, 40))}.`
          )
    })
  )

const options = {
  inputs: count("inputs", 1_000_000, 1, "How many inputs, over all targets"),
  seed: count("seed", 1, 0, "What the inputs are made of; the same seed makes the same inputs"),
  from: count(
    "from",
    0,
    0,
    "The index of the first input of each target but link, to repeat a finding with --inputs 1"
  ),
  target: CliOptions.text("target").pipe(
    CliOptions.withPseudoName(names.join("|")),
    CliOptions.withDescription("The one target to run; by default all."),
    CliOptions.mapEffect((text) =>
      names.includes(text)
        ? Either.right(text)
        : invalid(`--target must be one of ${names.join(", ")}, but is ${JSON.stringify(text.slice(0, 40))}.`)
    ),
    CliOptions.optional
  )
}

/** A line every two seconds at most. */
const makeProgress = Effect.map(Clock.currentTimeMillis, (begun) => {
  let told = begun
  return (target: string, done: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now - told < 2000) return Effect.void
      told = now
      return Console.log(`${Math.round((now - begun) / 1000)} s  ${target}: ${done.toLocaleString("en")} inputs`)
    })
})

const cells = ({ findings, inputs, millis, slowest, target }: Row) => [
  target.padEnd(14),
  inputs.toLocaleString("en").padStart(11),
  `${(millis / 1000).toFixed(1)} s`.padStart(9),
  Math.round((inputs * 1000) / Math.max(1, millis))
    .toLocaleString("en")
    .padStart(9),
  `${slowest} ms`.padStart(14),
  String(findings.length).padStart(8)
]

const head = ["target".padEnd(14), "     inputs", "     time", "    per s", "slowest 1,000", "findings"]

const mebi = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`

const fuzz = ({
  from,
  inputs,
  seed,
  target
}: {
  from: number
  inputs: number
  seed: number
  target: Option.Option<string>
}) =>
  Effect.gen(function* () {
    const progress = yield* makeProgress
    const chosen = Option.match(target, { onNone: () => names, onSome: (name) => [name] })
    const rows: Array<Row> = []
    for (const [index, name] of chosen.entries()) {
      const share = Math.floor(((index + 1) * inputs) / chosen.length) - Math.floor((index * inputs) / chosen.length)
      if (share > 0) rows.push(yield* run(name, seed, from, share, progress))
    }
    const findings = rows.flatMap((row) => row.findings)
    yield* Console.log([head, ...rows.map(cells)].map((row) => row.join(" ")).join("\n"))
    yield* Console.log(`seed ${seed}, heap ${mebi(process.memoryUsage().heapUsed)}`)
    for (const { index, target, what } of findings) {
      yield* Console.log(`--seed ${seed} --target ${target} --from ${index} --inputs 1\n${what}`)
    }
    if (findings.length > 0)
      return yield* new FoundError({ message: `${findings.length} inputs did what they must not.` })
  })

const command = CliCommand.make("fuzz", options, fuzz).pipe(
  CliCommand.withDescription("Feeds bent and foreign input to everything that reads what a peer or a user says.")
)

/** Keeps @effect/cli from printing a wrong option in colours, also where there is no terminal. */
const withoutErrors = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Console.consoleWith((console) => Effect.withConsole(effect, { ...console, error: () => Effect.void }))

const plain = (help: HelpDoc.HelpDoc) => Doc.render(Doc.unAnnotate(HelpDoc.toAnsiDoc(help)), { style: "pretty" }).trim()

const describe = (cause: Cause.Cause<FoundError | ValidationError.ValidationError>) => {
  if (!Cause.isFailType(cause)) return Cause.pretty(cause)
  return ValidationError.isValidationError(cause.error) ? plain(cause.error.error) : cause.error.message
}

withoutErrors(CliCommand.run(command, { name: "fuzz", version: "0.1.0" })(process.argv)).pipe(
  Effect.tapErrorCause((cause) => (Cause.isInterruptedOnly(cause) ? Effect.void : Console.error(describe(cause)))),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)

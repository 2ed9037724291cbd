/**
 * Fuzzes the decoders, the parsers and the inbound state machine. `--help` tells the options; the exit code is 1 when anything
 * did not hold.
 */
import * as CliCommand from "@effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { RunFailed } from "../../examples/processes/failure.ts"
import { value, whole } from "../../examples/processes/options.ts"
import { runMain } from "../../examples/processes/program.ts"
import type { Row } from "./run.ts"
import { names, run } from "./run.ts"

const most = 1_000_000_000

const options = {
  inputs: whole("inputs", { least: 1, most, fallback: 1_000_000, about: "How many inputs, over all targets" }),
  seed: whole("seed", {
    least: 0,
    most,
    fallback: 1,
    about: "What the inputs are made of; the same seed makes the same inputs"
  }),
  from: whole("from", {
    least: 0,
    most,
    fallback: 0,
    about: "The first input of each target, to repeat a finding; for link, the first of the channel that has it"
  }),
  target: value("target", {
    about: "The one target to run; by default all.",
    fallback: "all",
    kind: `all|${names.join("|")}`,
    must: `all or one of ${names.join(", ")}`,
    read: (text) => (text === "all" || names.includes(text) ? text : undefined)
  })
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

interface Settings {
  readonly from: number
  readonly inputs: number
  readonly seed: number
  readonly target: string
}

const fuzz = ({ from, inputs, seed, target }: Settings) =>
  Effect.gen(function* () {
    const progress = yield* makeProgress
    const chosen = target === "all" ? names : [target]
    const rows: Array<Row> = []
    for (const [index, name] of chosen.entries()) {
      const share = Math.floor(((index + 1) * inputs) / chosen.length) - Math.floor((index * inputs) / chosen.length)
      if (share > 0) rows.push(yield* run(name, { seed, from, inputs: share }, progress))
    }
    const findings = rows.flatMap((row) => row.findings)
    yield* Console.log([head, ...rows.map(cells)].map((row) => row.join(" ")).join("\n"))
    yield* Console.log(`seed ${seed}, heap ${mebi(process.memoryUsage().heapUsed)}`)
    for (const { index, inputs, target, what } of findings) {
      yield* Console.log(`--seed ${seed} --target ${target} --from ${index} --inputs ${inputs}\n${what}`)
    }
    if (findings.length > 0)
      return yield* new RunFailed({ sentence: `${findings.length} inputs did what they must not.` })
  })

const command = CliCommand.make("fuzz", options, fuzz).pipe(
  CliCommand.withDescription("Feeds bent and foreign input to everything that reads what a peer or a user says.")
)

runMain(command, { name: "fuzz", valued: Object.keys(options) })

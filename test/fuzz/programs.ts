/** The command lines of the programs: what is no use to them is told in words, and nothing else happens. */
import * as CliCommand from "@effect/cli/Command"
import type * as CliOptions from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Bench from "../../bench/settings.ts"
import * as ExactlyOnce from "../../examples/exactly-once/settings.ts"
import { refusal } from "../../examples/processes/refusal.ts"
import * as Relay from "../../examples/relay/settings.ts"
import * as Torture from "../../examples/torture/settings.ts"
import * as Simulate from "../simulate/settings.ts"
import * as assert from "./hold.ts"
import type { Draw } from "./mutate.ts"
import { bentText } from "./mutate.ts"
import type { Target } from "./target.ts"

interface Program {
  readonly names: readonly [string, ...ReadonlyArray<string>]
  readonly parse: (args: ReadonlyArray<string>) => Exit.Exit<void, ValidationError.ValidationError>
}

const quiet = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Console.consoleWith((console) =>
    Effect.withConsole(effect, { ...console, error: () => Effect.void, log: () => Effect.void })
  )

const programOf = (options: Readonly<Record<string, CliOptions.Options<unknown>>>): Program => {
  const run = CliCommand.run(
    CliCommand.make("program", options, () => Effect.void),
    { name: "program", version: "1" }
  )
  return {
    names: ["help", ...Object.keys(options).map((key) => key.replace(/[A-Z]/gu, (it) => `-${it.toLowerCase()}`))],
    parse: (args) =>
      Effect.runSyncExit(quiet(run(["node", "main.ts", ...args])).pipe(Effect.provide(NodeContext.layer)))
  }
}

const programs = [
  programOf(Bench.options),
  programOf(ExactlyOnce.options),
  programOf(Relay.options),
  programOf(Simulate.options),
  programOf(Torture.options)
] as const

const values = [
  "1",
  "0",
  "-1",
  "1e9",
  "2.5",
  "9007199254740993",
  "NaN",
  "",
  "a,b",
  "--",
  "/ip4/127.0.0.1/tcp/0"
] as const

const argument = (draw: Draw, names: Program["names"]): ReadonlyArray<string> => {
  const name = `--${draw.pick(names)}`
  const value = draw.pick(values)
  return draw.pick([[name, value], [`${name}=${value}`], [bentText(draw, name)], [name, bentText(draw, value)]])
}

export const programsTarget: Target = {
  name: "programs",
  about: "the command lines of the examples, the benchmarks and the simulator: they are taken, or refused in words",
  input: (draw) => {
    const { names, parse } = draw.pick(programs)
    const args = Array.from({ length: draw.below(4) }, () => argument(draw, names)).flat()
    const exit = parse(args)
    if (Exit.isSuccess(exit)) return
    const error = Cause.squash(exit.cause)
    if (!ValidationError.isValidationError(error)) throw new Error(Cause.pretty(exit.cause))
    const said = refusal(error)
    assert.match(said, /\S/u)
    assert.notInclude(said, "\n    at ")
  }
}

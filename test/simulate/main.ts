/**
 * Runs simulations by their seeds, and shows what went wrong in how many of them; `--help` tells the options.
 */
import * as CliCommand from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type * as Runtime from "@effect/platform/Runtime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { HuntFailed, hunt } from "./hunt.ts"
import * as Settings from "./settings.ts"
import { refusal } from "../../examples/processes/refusal.ts"

const command = CliCommand.make("simulate", Settings.options, (given) =>
  Effect.flatMap(
    Effect.mapError(Settings.check(given), (sentence) => new HuntFailed({ sentence })),
    hunt
  )
).pipe(
  CliCommand.withDescription("Kernels on a simulated network in virtual time, while everything goes wrong that can.")
)

const parseAndRun = CliCommand.run(command, { name: "simulate", version: "0.1.0" })

/** Keeps @effect/cli from printing a wrong option in colours, also where there is no terminal. */
const withoutErrors = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Console.consoleWith((console) => Effect.withConsole(effect, { ...console, error: () => Effect.void }))

/** What the program expects to go wrong is told in one sentence; anything else is a bug, and told in full. */
const describe = (cause: Cause.Cause<HuntFailed | ValidationError.ValidationError>) => {
  const error = Cause.squash(cause)
  if (error instanceof HuntFailed) return error.message
  return ValidationError.isValidationError(error) ? refusal(error) : Cause.pretty(cause)
}

/** 130 is what a shell expects of a program that was interrupted. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)

const main = Effect.gen(function* () {
  const lacking = Settings.lackingValue(process.argv)
  if (Option.isSome(lacking)) return yield* new HuntFailed({ sentence: lacking.value })
  yield* withoutErrors(parseAndRun(process.argv))
})

main.pipe(
  Effect.tapErrorCause((cause) => (Cause.isInterruptedOnly(cause) ? Effect.void : Console.error(describe(cause)))),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)

/**
 * A program from its command line to its exit code.
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
import { RunFailed } from "./failure.ts"
import { refusal } from "./refusal.ts"

/** Keeps @effect/cli from printing a wrong option in colours, also where there is no terminal. */
const withoutErrors = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Console.consoleWith((console) => Effect.withConsole(effect, { ...console, error: () => Effect.void }))

/** What the program expects to go wrong is told in one sentence; anything else is a bug, and told in full. */
const describe = (cause: Cause.Cause<RunFailed | ValidationError.ValidationError>) => {
  const error = Cause.squash(cause)
  if (error instanceof RunFailed) return error.message
  return ValidationError.isValidationError(error) ? refusal(error) : Cause.pretty(cause)
}

/** 130 is what a shell expects of a program that was interrupted. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)

/** What the last argument lacks; the parser would call it unknown. `names` are the options that take a value. */
const lackingValue = (names: ReadonlyArray<string>, args: ReadonlyArray<string>) => {
  const last = args.at(-1)
  return names.some((name) => last === `--${name}`)
    ? Effect.fail(new RunFailed({ sentence: `${last} needs a value.` }))
    : Effect.void
}

/**
 * Runs a command with the arguments of this process. It ends with 0, or with 1 and one sentence on the standard error;
 * `valued` names its options that take a value.
 */
export const runMain = <Name extends string, A>(
  command: CliCommand.Command<Name, NodeContext.NodeContext, RunFailed, A>,
  { name, valued }: { readonly name: string; readonly valued: ReadonlyArray<string> }
) =>
  lackingValue(valued, process.argv).pipe(
    Effect.zipRight(withoutErrors(CliCommand.run(command, { name, version: "0.1.0" })(process.argv))),
    Effect.tapErrorCause((cause) => (Cause.isInterruptedOnly(cause) ? Effect.void : Console.error(describe(cause)))),
    Effect.provide(NodeContext.layer),
    NodeRuntime.runMain({ disableErrorReporting: true, teardown })
  )

/**
 * A relay for kernels that cannot reach one another. `--help` tells the options; Ctrl-C stops it.
 */
import * as CliCommand from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { RelayServer, RelayServerLibp2p } from "effect-remotes"
import * as Settings from "./settings.ts"
import { refusal } from "../processes/refusal.ts"

const announce = Effect.gen(function* () {
  const relay = yield* RelayServer.RelayServer
  const addresses = yield* relay.addresses
  yield* Console.log(
    [
      `Relay ${relay.peerId}`,
      ...addresses,
      "Name these in the option `relays` of each kernel. Ctrl-C stops the relay."
    ].join("\n")
  )
})

const command = CliCommand.make("relay", Settings.options, (settings) =>
  Effect.zipRight(announce, Effect.never).pipe(Effect.provide(RelayServerLibp2p.layer(Settings.toOptions(settings))))
).pipe(CliCommand.withDescription("Passes on what kernels that cannot reach one another have to say."))

/** Keeps @effect/cli from printing a wrong option in colours, also where there is no terminal. */
const withoutErrors = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Console.consoleWith((console) => Effect.withConsole(effect, { ...console, error: () => Effect.void }))

/** What can be expected to go wrong is told in one sentence; anything else is a bug, and told in full. */
const describe = (cause: Cause.Cause<RelayServerLibp2p.StartError | ValidationError.ValidationError>) => {
  if (!Cause.isFailType(cause)) return Cause.pretty(cause)
  return ValidationError.isValidationError(cause.error) ? refusal(cause.error) : cause.error.message
}

withoutErrors(CliCommand.run(command, { name: "relay", version: "0.1.0" })(process.argv)).pipe(
  Effect.tapErrorCause((cause) => (Cause.isInterruptedOnly(cause) ? Effect.void : Console.error(describe(cause)))),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true })
)

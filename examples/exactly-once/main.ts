/**
 * Two kernels in two processes exchange messages while they are killed and their connection is reset; an independent check
 * then shows that every message arrived exactly once. `--help` tells the options.
 */
import * as CliCommand from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { RunFailed } from "../processes/failure.ts"
import { runMain } from "../processes/program.ts"
import { run } from "./run.ts"
import * as Settings from "./settings.ts"

const name = "exactly-once"

const command = CliCommand.make(name, Settings.options, (given) =>
  Effect.flatMap(
    Effect.mapError(Settings.check(given), (sentence) => new RunFailed({ sentence })),
    run
  )
).pipe(CliCommand.withDescription("Two kernels exchange messages exactly once, whatever befalls them."))

runMain(command, { name, valued: Object.keys(Settings.options).filter((option) => option !== "keep") })

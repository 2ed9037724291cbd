/**
 * Side-by-side benchmarks: `npm run bench -- --help` tells the rows and options.
 */
import * as CliCommand from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as FileSystem from "@effect/platform/FileSystem"
import { isWorkerError } from "@effect/platform/WorkerError"
import type * as Runtime from "@effect/platform/Runtime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { machine } from "./machine.ts"
import type { Report } from "./report.ts"
import { lineOf, notes, table } from "./report.ts"
import type { Bench, Row } from "./Row.ts"
import { BenchFailed } from "./Row.ts"
import * as Settings from "./settings.ts"
import { refusal } from "../examples/processes/refusal.ts"

const runRow = (row: Row, how: Omit<Bench, "died" | "directory">) =>
  Effect.scoped(
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped({ prefix: "effect-remotes-bench-" })
      const died = yield* Deferred.make<never, BenchFailed>()
      return yield* Effect.raceFirst(row.run({ ...how, directory, died }), Deferred.await(died))
    })
  )

const writeReport = (report: Report, file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    Effect.mapError(
      files.writeFileString(file, `${JSON.stringify(report, undefined, 2)}\n`),
      ({ message }) => new BenchFailed({ sentence: `The figures could not be written: ${message}` })
    )
  )

/** Straight to the standard error, past the console that is kept quiet for @effect/cli. */
const progress = (line: string) => Effect.sync(() => void process.stderr.write(`${line}\n`))

const command = CliCommand.make("bench", { ...Settings.options, rows: Settings.args }, (given) =>
  Effect.gen(function* () {
    const rows = yield* Settings.select(given.rows)
    const how = {
      repetitions: given.repetitions,
      profile: Option.getOrUndefined(given.profile),
      progress
    }
    const lines = (yield* Effect.forEach(rows, (row) => runRow(row, how))).flat().map(lineOf)
    const report: Report = { machine: machine(), repetitions: given.repetitions, lines }
    yield* Console.log([report.machine, "", table(lines), "", ...notes(lines)].join("\n"))
    if (Option.isSome(given.json)) yield* writeReport(report, given.json.value)
    const missed = lines.filter(({ met }) => !met)
    if (missed.length > 0 && !given.noCheck) {
      return yield* new BenchFailed({ sentence: `Missed: ${missed.map(({ what }) => what).join("; ")}.` })
    }
  })
).pipe(CliCommand.withDescription("Measures this library beside raw libp2p, against its targets."))

const parseAndRun = CliCommand.run(command, { name: "bench", version: "0.1.0" })

/** Keeps @effect/cli from printing a wrong option in colours, also where there is no terminal; the progress goes there as well. */
const withoutErrors = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Console.consoleWith((console) => Effect.withConsole(effect, { ...console, error: () => Effect.void }))

/** What is expected to go wrong is told in one sentence; anything else is a bug, and told in full. */
const describe = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  if (error instanceof BenchFailed) return error.message
  if (isWorkerError(error)) return `A worker of the bench broke: ${error.message}`
  return ValidationError.isValidationError(error) ? refusal(error) : Cause.pretty(cause)
}

/** 130 is what a shell expects of a program that was interrupted. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)

withoutErrors(parseAndRun(process.argv)).pipe(
  Effect.tapErrorCause((cause) => (Cause.isInterruptedOnly(cause) ? Effect.void : Console.error(describe(cause)))),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)

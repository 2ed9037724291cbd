/**
 * One run from its temporary directory to its table.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { check, isClean } from "./check.ts"
import { exchange } from "./exchange.ts"
import { RunFailed } from "./failure.ts"
import { table } from "./report.ts"
import * as Screen from "./screen.ts"
import type { Settings } from "./settings.ts"
import * as Tally from "./tally.ts"

const noDirectory = (cause: PlatformError) =>
  new RunFailed({ sentence: `No temporary directory can be made: ${cause.message}`, cause })

const makeDirectory = (keep: boolean) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => {
    const options = { prefix: "effect-remotes-" }
    return Effect.mapError(
      keep ? files.makeTempDirectory(options) : files.makeTempDirectoryScoped(options),
      noDirectory
    )
  })

const checked = Effect.fnUntraced(function* (settings: Settings, directory: string, screen: Screen.Screen) {
  const tally = yield* Ref.make(Tally.start(yield* Clock.currentTimeMillis))
  const files = yield* Effect.raceFirst(exchange(settings, directory, tally), screen.follow(tally))
  const verdict = yield* check(settings.messages, files)
  const end = yield* Ref.get(tally)
  yield* screen.print(`\n${table(settings, end, verdict, (end.progressedAt - end.startedAt) / 1000)}`)
  return isClean(settings.messages, verdict)
})

/**
 * Runs, shows the run, and fails unless every message arrived exactly once and in order. Leaves nothing behind, except the
 * directory where that is asked for.
 */
export const run = (settings: Settings) =>
  Effect.gen(function* () {
    const screen = yield* Screen.make
    const directory = yield* makeDirectory(settings.keep)
    const clean = yield* Effect.raceFirst(checked(settings, directory, screen), screen.broken).pipe(
      Effect.ensuring(settings.keep ? screen.print(`The stores and logs are in ${directory}`) : Effect.void)
    )
    if (!clean) return yield* new RunFailed({ sentence: "Not every message arrived exactly once and in order." })
  }).pipe(Effect.scoped)

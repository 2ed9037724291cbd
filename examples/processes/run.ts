/**
 * One run from its temporary directory to its end.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { RunFailed } from "./failure.ts"
import * as Screen from "./screen.ts"

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

/**
 * Runs `checked` in a directory of its own, and fails unless it says that all went well. Leaves nothing behind, except the
 * directory where that is asked for.
 */
export const run = <E, R>(
  keep: boolean,
  checked: (directory: string, screen: Screen.Screen) => Effect.Effect<boolean, E, R>
) =>
  Effect.gen(function* () {
    const screen = yield* Screen.make
    const directory = yield* makeDirectory(keep)
    const clean = yield* Effect.raceFirst(checked(directory, screen), screen.broken).pipe(
      Effect.ensuring(keep ? screen.print(`The stores and logs are in ${directory}`) : Effect.void)
    )
    if (!clean) return yield* new RunFailed({ sentence: "Not every message arrived exactly once and in order." })
  }).pipe(Effect.scoped)

/**
 * One run: shown, checked, and put into a table.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { RunFailed } from "../processes/failure.ts"
import * as Run from "../processes/run.ts"
import type * as Screen from "../processes/screen.ts"
import { compare, isClean, read } from "./check.ts"
import { ordeal } from "./ordeal.ts"
import { named } from "./port.ts"
import { progressLine, table } from "./report.ts"
import type { Settings } from "./settings.ts"
import { manners } from "./settings.ts"
import * as Tally from "./tally.ts"

const checked = Effect.fnUntraced(function* (settings: Settings, directory: string, screen: Screen.Screen) {
  const tally = yield* Ref.make(Tally.start(yield* Clock.currentTimeMillis))
  const files = yield* Effect.raceFirst(ordeal(settings, directory, tally), screen.follow(tally, progressLine))
  const verdict = compare(yield* Effect.forEach(files, read), manners, named)
  const end = yield* Ref.get(tally)
  yield* screen.print(`\n${table(end, verdict, (end.progressedAt - end.startedAt) / 1000)}`)
  if (!isClean(verdict)) return false
  if (!Tally.wasOrdeal(end)) {
    return yield* new RunFailed({
      sentence: "No kernel was killed, so that this run shows nothing: give it more time."
    })
  }
  return true
})

/**
 * Runs, shows the run, and fails unless kernels were killed and every message arrived exactly once and in order. Leaves nothing behind, except the
 * directory where that is asked for.
 */
export const run = (settings: Settings) =>
  Run.run(settings.keep, (directory, screen) => checked(settings, directory, screen))

/**
 * What a run can be told, and what follows from it.
 */
import * as CliOptions from "@effect/cli/Options"
import type { Manners } from "./lines.ts"
import { whole } from "../processes/options.ts"

/**
 * How a run is to be.
 */
export interface Settings {
  /** For how long things go wrong. */
  readonly seconds: number
  readonly kernels: number
  readonly keep: boolean
  readonly seed: number
}

/**
 * The options of the command line; each refuses what is out of its range with one sentence.
 */
export const options = {
  minutes: whole("minutes", { least: 0, most: 1440, fallback: 2, about: "For how long things go wrong, in minutes" }),
  seconds: whole("seconds", { least: 0, most: 59, fallback: 0, about: "And so many seconds" }),
  kernels: whole("kernels", { least: 2, most: 3, fallback: 2, about: "How many kernels talk, each with each" }),
  seed: whole("seed", {
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
    fallback: 1,
    about: "Decides what goes wrong, and when"
  }),
  keep: CliOptions.boolean("keep").pipe(
    CliOptions.withDescription("Keep the stores and logs, and print where they are.")
  )
}

/**
 * What is done with messages, by their number: prime numbers, so that each comes with each.
 */
export const manners: typeof Manners.Type = { refuses: 211, dies: 331, busy: 61, answers: 7 }

/**
 * The kernels of a run.
 */
export const names = ["alice", "bob", "carol"] as const

/**
 * One of them.
 */
export type Name = (typeof names)[number]

/**
 * Two or three kernels in processes of their own talk through proxies that cut, reset, truncate, stall and delay, while one after
 * the other is killed; an independent check then shows that every message arrived exactly once. `--help` tells the options.
 */
import * as CliCommand from "@effect/cli/Command"
import { runMain } from "../processes/program.ts"
import { run } from "./run.ts"
import * as Settings from "./settings.ts"

const name = "torture"

const command = CliCommand.make(name, Settings.options, ({ minutes, seconds, ...settings }) =>
  run({ ...settings, seconds: 60 * minutes + seconds })
).pipe(CliCommand.withDescription("Kernels exchange messages exactly once, while everything goes wrong."))

runMain(command, { name, valued: Object.keys(Settings.options).filter((option) => option !== "keep") })

/** Programs of ours as a person runs them, and what they leave. */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"

export const text = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) => Stream.mkString(Stream.decodeText(bytes))

/** The program with its own place for temporary files, so that what it leaves can be seen. */
export const prepareProgram = Effect.fnUntraced(function* (program: string, args: ReadonlyArray<string>) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const temporary = yield* files.makeTempDirectoryScoped({ prefix: `${program}-test-` })
  const main = yield* path.fromFileUrl(new URL(`../../examples/${program}/main.ts`, import.meta.url))
  const command = Command.make(process.execPath, "--conditions=effect-remotes-source", main, ...args).pipe(
    Command.env({ TMPDIR: temporary })
  )
  /** The kernels that run, as process id and name. */
  const kernels = Command.lines(Command.make("ps", "-ww", "-eo", "pid=,args=")).pipe(
    Effect.map((lines) =>
      lines
        .filter((line) => line.includes(temporary) && line.includes("kernel.ts"))
        .map((line) => ({
          pid: Number.parseInt(line),
          name: /kernel\.ts (\S+)/.exec(line)?.[1] ?? ""
        }))
    )
  )
  return { command, kernels, left: files.readDirectory(temporary), temporary }
})

/** The exit code; undefined when a signal ended the process. */
export const codeOf = (process: CommandExecutor.Process) => Effect.orElseSucceed(process.exitCode, () => undefined)

export const finish = Effect.fnUntraced(function* (command: Command.Command) {
  const process = yield* Command.start(command)
  const [out, err, code] = yield* Effect.all([text(process.stdout), text(process.stderr), codeOf(process)], {
    concurrency: "unbounded"
  })
  return { code, err, out }
})

/** Has the program end at once, with this sentence and nothing else, and leave nothing. */
export const assertRefused = Effect.fnUntraced(function* (
  { command, left }: Effect.Effect.Success<ReturnType<typeof prepareProgram>>,
  sentence: string
) {
  const { code, err, out } = yield* finish(command)
  assert.deepStrictEqual({ code: Number(code), err, out }, { code: 1, err: `${sentence}\n`, out: "" })
  assert.deepStrictEqual(yield* left, [])
})

/** The table of a run, as name and figure. */
export const figures = (out: string) => {
  const rows = out.split("\n").flatMap((line) => {
    const [, name, figure] = /^ {2}(\S.*?) {2,}(\S+)$/.exec(line) ?? []
    return name === undefined ? [] : [[name, figure] as const]
  })
  return Object.fromEntries<string | undefined>(rows)
}

/** Passes when there is none of them any more. */
export const gone = <E, R>(kernels: Effect.Effect<ReadonlyArray<unknown>, E, R>) =>
  Effect.repeat(kernels, { until: (found) => found.length === 0, schedule: Schedule.spaced("100 millis") }).pipe(
    Effect.timeout("20 seconds")
  )

/**
 * One life of a kernel: an operating-system process, from its start to its end.
 */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import * as Lines from "./lines.ts"

/**
 * What to start: `args` are for those who look at the list of processes, `log` is the file that takes what the process says
 * on its standard error, and `first` is its first instruction.
 */
export interface Birth {
  readonly args: ReadonlyArray<string>
  readonly log: string
  readonly first: Lines.Instruction
}

/**
 * A process that has been started.
 */
export interface Life {
  readonly process: CommandExecutor.Process
  readonly tell: (instruction: Lines.Instruction) => Effect.Effect<void>
  /** Reads what the process reports, until it ends; then answers how it ended. */
  readonly listen: (hear: (report: Lines.Report) => Effect.Effect<void>) => Effect.Effect<string>
  /** The exit code and the last words, as far as can be known. */
  readonly howItEnded: Effect.Effect<string>
}

/**
 * How long a process may take to end once it is asked to.
 */
export const stopDeadline = "5 seconds"

/**
 * Asks the process to end, and kills it if it has not ended by the deadline. Answers whether it had.
 */
export const stop = (process: CommandExecutor.Process): Effect.Effect<boolean> =>
  Effect.if(process.isRunning, {
    onFalse: () => Effect.succeed(true),
    onTrue: () =>
      process.kill("SIGTERM").pipe(
        // A finalizer is uninterruptible, and then a timeout would wait for what it is to cut short.
        Effect.interruptible,
        Effect.timeoutTo({ duration: stopDeadline, onSuccess: () => true, onTimeout: () => false }),
        Effect.tap((ended) => (ended ? Effect.void : process.kill("SIGKILL")))
      )
  }).pipe(Effect.orElseSucceed(() => true))

const lastLine = (text: string) => text.trimEnd().split("\n").at(-1) ?? ""

const describe = (files: FileSystem.FileSystem, process: CommandExecutor.Process, log: string) =>
  Effect.zipWith(
    Effect.match(process.exitCode, { onFailure: ({ message }) => message, onSuccess: (code) => `exit code ${code}` }),
    Effect.orElseSucceed(Effect.map(files.readFileString(log), lastLine), () => ""),
    (code, words) => (words === "" ? code : `${code}: ${words}`)
  )

/**
 * Starts a kernel, run by the same node with the same flags as this process. It is stopped at the end of the scope.
 */
export const start = Effect.fnUntraced(function* ({ args, first, log }: Birth) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const program = yield* Effect.orDie(path.fromFileUrl(new URL("kernel.ts", import.meta.url)))
  const child = yield* Command.start(Command.make(process.execPath, ...process.execArgv, program, ...args))
  yield* Effect.addFinalizer(() => stop(child))
  const instructions = yield* Mailbox.make<Lines.Instruction>({ capacity: 256 })
  yield* instructions.offer(first)
  const telling = Stream.run(Lines.write(Lines.Instruction)(Mailbox.toStream(instructions)), child.stdin)
  const logging = Stream.run(child.stderr, files.sink(log, { flag: "a" }))
  // A pipe that breaks means that the process ends, and that is noticed by who listens to it.
  yield* Effect.forkScoped(Effect.ignore(telling))
  yield* Effect.forkScoped(Effect.ignore(logging))
  const howItEnded = describe(files, child, log)
  return {
    process: child,
    tell: (instruction) => instructions.offer(instruction),
    listen: (hear) =>
      child.stdout.pipe(
        Lines.read(Lines.Report),
        Stream.runForEach(hear),
        Effect.zipRight(howItEnded),
        Effect.catchAll(({ message }) => Effect.succeed(`it said what cannot be understood: ${message}`))
      ),
    howItEnded
  } satisfies Life
})

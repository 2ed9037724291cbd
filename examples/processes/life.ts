/**
 * One life of a kernel: an operating-system process, from its start to its end.
 */
import * as Command from "@effect/platform/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import type { Language } from "./lines.ts"

/**
 * What to start: `args` are for those who look at the list of processes, `log` is the file that takes what the process says
 * on its standard error, and `first` is its first instruction.
 */
export interface Birth<Instruction, Report> {
  readonly args: ReadonlyArray<string>
  readonly log: string
  readonly first: Instruction
  readonly language: Language<Instruction, Report>
  /** Of node; those of this process by default. */
  readonly flags?: ReadonlyArray<string> | undefined
}

/**
 * A process that has been started.
 */
export interface Life<Instruction, Report> {
  readonly process: CommandExecutor.Process
  readonly tell: (instruction: Instruction) => Effect.Effect<void>
  /** Reads what the process reports, until it ends; then answers how it ended. */
  readonly listen: (hear: (report: Report) => Effect.Effect<void>) => Effect.Effect<string>
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

/** Ends a sleep early when it is told to end; goes on by itself when whoever began it is gone. */
const sleepOf = 'trap "kill -CONT $0" EXIT; trap exit TERM; kill -STOP $0 && sleep $1'

/**
 * Lets a process sleep as a machine does that is closed, and wakes it again. Whatever happens meanwhile, it is awake afterwards.
 */
export const freeze = (process: CommandExecutor.Process, time: Duration.DurationInput) =>
  Effect.asVoid(Command.exitCode(Command.make("sh", "-c", sleepOf, `${process.pid}`, `${Duration.toSeconds(time)}`)))

const lastLine = (text: string) => text.trimEnd().split("\n").at(-1) ?? ""

const describe = (files: FileSystem.FileSystem, process: CommandExecutor.Process, log: string) =>
  Effect.zipWith(
    Effect.match(process.exitCode, { onFailure: ({ message }) => message, onSuccess: (code) => `exit code ${code}` }),
    Effect.orElseSucceed(Effect.map(files.readFileString(log), lastLine), () => ""),
    (code, words) => (words === "" ? code : `${code}: ${words}`)
  )

/**
 * Starts a kernel, run by the same node as this process. It is stopped at the end of the scope.
 */
export const start = Effect.fnUntraced(function* <Instruction, Report>({
  args,
  first,
  flags = process.execArgv,
  language,
  log
}: Birth<Instruction, Report>) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const program = yield* Effect.orDie(path.fromFileUrl(language.program))
  const child = yield* Command.start(Command.make(process.execPath, ...flags, program, ...args))
  yield* Effect.addFinalizer(() => stop(child))
  const instructions = yield* Mailbox.make<Instruction>({ capacity: 256 })
  yield* instructions.offer(first)
  const telling = Stream.run(language.tell(Mailbox.toStream(instructions)), child.stdin)
  const logging = Stream.run(child.stderr, files.sink(log, { flag: "a" }))
  // A pipe that breaks means that the process ends, and that is noticed by who listens to it.
  yield* Effect.forkScoped(Effect.ignore(telling))
  yield* Effect.forkScoped(Effect.ignore(logging))
  const howItEnded = describe(files, child, log)
  const life: Life<Instruction, Report> = {
    process: child,
    tell: (instruction) => instructions.offer(instruction),
    listen: (hear) =>
      child.stdout.pipe(
        language.hear,
        Stream.runForEach(hear),
        Effect.zipRight(howItEnded),
        Effect.catchAll(({ message }) => Effect.succeed(`it said what cannot be understood: ${message}`))
      ),
    howItEnded
  }
  return life
})

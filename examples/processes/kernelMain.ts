/**
 * The process of a kernel.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeSink from "@effect/platform-node/NodeSink"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import type { Language } from "./lines.ts"

const layerLogger = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

/**
 * Lives as the first instruction says, and writes what that life reports, until it is asked to end (SIGTERM), or its input ends.
 */
export const kernelMain = <Instruction, Report, E>(
  { report, understand }: Language<Instruction, Report>,
  live: (
    first: Instruction,
    later: Mailbox.ReadonlyMailbox<Instruction, unknown>
  ) => Stream.Stream<Report, E> | undefined
) => {
  const program = Effect.gen(function* () {
    const instructions = yield* Mailbox.fromStream(understand(NodeStream.stdin), { capacity: 16 })
    const life = live(yield* instructions.take, instructions)
    if (life === undefined) return yield* Effect.dieMessage("the first line must say what to be")
    yield* life.pipe(Stream.interruptWhen(instructions.await), report, Stream.run(NodeSink.stdout))
  })
  program.pipe(
    Effect.scoped,
    Effect.tapErrorCause((cause) => Effect.logFatal("The kernel ends", cause)),
    Effect.provide(layerLogger),
    NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
  )
}

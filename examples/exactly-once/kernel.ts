/**
 * A kernel as a process of its own. It is told what to be on its standard input, reports on its standard output, logs to
 * its standard error, and ends, in good order, when it is asked to (SIGTERM) or when its input ends: its parent is gone.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeSink from "@effect/platform-node/NodeSink"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import * as Alice from "./alice.ts"
import * as Bob from "./bob.ts"
import * as Lines from "./lines.ts"
import { read, write } from "../processes/lines.ts"

const program = Effect.gen(function* () {
  const told = NodeStream.stdin.pipe(read(Lines.Instruction))
  const instructions = yield* Mailbox.fromStream(told, { capacity: 16 })
  const first = yield* instructions.take
  if (first._tag === "Allow") return yield* Effect.dieMessage("the first line must say what to be")
  const life = first._tag === "Serve" ? Bob.life(first) : Alice.life(first, instructions)
  yield* life.pipe(Stream.interruptWhen(instructions.await), write(Lines.Report), Stream.run(NodeSink.stdout))
})

const layerLogger = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

program.pipe(
  Effect.scoped,
  Effect.tapErrorCause((cause) => Effect.logFatal("The kernel ends", cause)),
  Effect.provide(layerLogger),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)

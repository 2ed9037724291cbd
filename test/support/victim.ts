/** A kernel on real libp2p in a process of its own, so that its memory is its own as well. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as PeerId from "../../src/protocol/PeerId.ts"

const Standing = Schema.Struct({
  /** What is in use of its heap and its buffers, after a collection. */
  bytes: Schema.Number,
  /** Of whom it has a durable record, and to whom a link. */
  records: Schema.Array(Schema.String),
  links: Schema.Array(Schema.String)
})

/** How a victim stands. */
export type Standing = typeof Standing.Type

const file = fileURLToPath(new URL("victimProcess.ts", import.meta.url))

const launch = Effect.acquireRelease(
  Effect.sync(() =>
    spawn(process.execPath, ["--conditions=effect-remotes-source", file], {
      stdio: ["pipe", "pipe", "inherit"]
    })
  ),
  (child) => Effect.sync(() => child.kill("SIGKILL"))
)

/** Starts one; it is gone with the scope. */
export const startVictim = Effect.gen(function* () {
  const child = yield* launch
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = Effect.promise(async () => String((await lines.next()).value))
  const address = yield* line
  const peerId = yield* PeerId.fromString(/[^/]+$/u.exec(address)?.[0] ?? "")
  const standing = Effect.sync(() => child.stdin.write("?\n")).pipe(
    Effect.zipRight(line),
    Effect.flatMap(Schema.decode(Schema.parseJson(Standing))),
    Effect.orDie
  )
  /** Stops it as a laptop's lid does: its connections stay, and nobody answers. */
  const freeze = Effect.sync(() => child.kill("SIGSTOP"))
  return { address, peerId, standing, freeze }
})

export type Victim = Effect.Effect.Success<typeof startVictim>

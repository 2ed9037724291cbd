import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const folder = "examples"
const shown = "two-kernels.ts"

const read = (path: string) => Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path))

/** Runs a program to its end; interruption kills it. */
const run = (path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const process = yield* Command.start(Command.make("node", "--conditions=effect-remotes-source", path))
      const text = <E>(stream: Stream.Stream<Uint8Array, E>) => Stream.mkString(Stream.decodeText(stream))
      return yield* Effect.all([process.exitCode, text(process.stdout), text(process.stderr)], { concurrency: 3 })
    })
  )

describe("examples", () => {
  it.live("each program ends well, and says nothing on stderr", () =>
    Effect.gen(function* () {
      const entries = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.readDirectory(folder))
      const programs = entries.filter((entry) => entry.endsWith(".ts"))
      assert.include(programs, shown)
      for (const program of programs) {
        const [exitCode, , stderr] = yield* run(`${folder}/${program}`)
        assert.strictEqual(stderr, "", program)
        assert.strictEqual(exitCode, 0, program)
      }
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.live("the README shows the very program that is run, in at most 40 lines", () =>
    Effect.gen(function* () {
      const program = yield* read(`${folder}/${shown}`)
      assert.isAtMost(program.trimEnd().split("\n").length, 40)
      assert.include(yield* read("README.md"), `\`\`\`ts\n${program}\`\`\``)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

/** `npm run bench` as a person runs it, when it goes wrong. */
import * as Command from "@effect/platform/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { fileURLToPath } from "node:url"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { finish } from "../support/program.ts"

const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url))

/** Runs before anything else in each process, and kills those of kernels. */
const killing = `process.argv[1].endsWith("kernel.ts")&&process.kill(process.pid,"SIGKILL")`

layer(NodeContext.layer)("bench", (it) => {
  it.scoped("says in one sentence that a worker was killed, and does not wait for it", () =>
    Effect.gen(function* () {
      const { code, err } = yield* finish(
        Command.make(process.execPath, "--conditions=effect-remotes-source", main, "memory").pipe(
          Command.env({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(killing)}` })
        )
      )
      assert.strictEqual(code, 1)
      assert.include(err.split("\n"), "The worker kernel.ts was ended by SIGKILL.")
    })
  )
})

/** `npm run simulate` as a person runs it. */
import * as Command from "@effect/platform/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { fileURLToPath } from "node:url"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { codeOf, finish, text } from "../support/program.ts"

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const main = pathOf("../simulate/main.ts")
const sabotage = pathOf("../support/sabotage.ts")

const commandOf = (args: ReadonlyArray<string>, nodeOptions = "") =>
  Command.make(process.execPath, "--conditions=effect-remotes-source", main, ...args).pipe(
    Command.env({ NODE_OPTIONS: nodeOptions })
  )

const simulate = (args: ReadonlyArray<string>, nodeOptions = "") => finish(commandOf(args, nodeOptions))

const refused: ReadonlyArray<readonly [args: string, sentence: string]> = [
  ["--seeds 0", "--seeds must be a whole number from 1 to 1000000000, but is '0'."],
  ["--seeds", "--seeds needs a value."],
  ["--faults cut,rain", "--faults must be all, or some of cut,"],
  ["--mode both", "--mode must be real or protocol, but is 'both'."],
  ["--mode protocol --faults cut,storeBusy", "--mode protocol knows no storeBusy, but only cut,"]
]

layer(NodeContext.layer)("simulate", (it) => {
  describe.concurrent("with a wrong option", () => {
    for (const [args, sentence] of refused) {
      it.scoped(`says what is wrong with ${args}, in one sentence`, () =>
        Effect.gen(function* () {
          const { code, err, out } = yield* simulate(args.split(" "))
          assert.deepStrictEqual({ code, out, lines: err.trim().split("\n").length }, { code: 1, out: "", lines: 1 })
          assert.isTrue(err.startsWith(sentence), err)
        })
      )
    }
  })

  it.scoped("tells its options", () =>
    Effect.gen(function* () {
      const { code, out } = yield* simulate(["--help"])
      assert.strictEqual(code, 0)
      for (const name of ["seeds", "from", "faults", "minutes", "mode", "workers", "repeat"]) {
        assert.include(out, `--${name}`)
      }
    })
  )

  it.scoped("ends with a table by kind of fault, and exit code 0 where nothing was wrong", () =>
    Effect.gen(function* () {
      const args = "--seeds 40 --mode protocol --faults cut,crash --repeat --workers 1"
      const { code, err, out } = yield* simulate(args.split(" "))
      assert.strictEqual(code, 0)
      assert.match(out, /^fault +runs +faults +messages +anomalies +virtual time +speed$/m)
      for (const row of ["cut", "crash", "all together"]) {
        assert.match(out, new RegExp(`^${row} +\\d+ +\\d+ +\\d+ +0 +\\d+\\.\\d h +\\d+ ×$`, "m"))
      }
      assert.include(out, "40 runs in ")
      assert.match(err, /40 of 40 seeds \(1 to 40\), \d+ messages, 0 anomalies/)
      assert.notInclude(out, "--from")
    })
  )

  it.scoped("that is interrupted shows what it has, and how to go on, with exit code 130", () =>
    Effect.gen(function* () {
      const running = yield* Command.start(
        commandOf(["--seeds", "100000", "--from", "11", "--mode", "protocol", "--workers", "1"])
      )
      const told = yield* Effect.fork(text(running.stdout))
      yield* Stream.decodeText(running.stderr).pipe(
        Stream.splitLines,
        Stream.takeUntil((line) => line.includes(" of 100000 seeds (11 to ")),
        Stream.runDrain
      )
      yield* Effect.fork(running.kill("SIGINT"))
      const [out, code] = yield* Effect.all([Fiber.join(told), codeOf(running)])
      assert.strictEqual(code, 130)
      assert.match(out, /^all together +[1-9]\d* /m)
      const [, from, left] = /^--from (\d+) --seeds (\d+) goes on where this ended$/m.exec(out) ?? []
      assert.strictEqual(Number(from) + Number(left), 100_011)
      assert.isAbove(Number(from), 11)
    })
  )

  it.scoped("tells the seed, the fewest faults and what happened where the library is broken, with exit code 1", () =>
    Effect.gen(function* () {
      const args = "--seeds 1 --from 4 --faults cut,halfOpen --workers 1"
      const { code, err, out } = yield* simulate(args.split(" "), `--import=${sabotage}`)
      assert.strictEqual(code, 1)
      assert.match(err, /^\d+ anomalies, in 1 seeds: 4\.$/m)
      assert.match(out, /^seed 4: .*(no|not) /m)
      assert.match(out, /faults that it takes:\n +\d+\.\d+ s +(cut|halfOpen) (alice|bob|carol)/)
      assert.match(out, /what happened:\n +0\.000 s/)
    })
  )
})

import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertRefused, figures, finish, prepareProgram } from "../support/program.ts"

const prepare = (...args: ReadonlyArray<string>) => prepareProgram("torture", args)

const zeros = {
  missing: "0",
  doubled: "0",
  "out of order": "0",
  "uncalled for": "0",
  misreported: "0",
  "still waiting": "0",
  "conversations reset": "0",
  "URLs redeemed wrongly": "0",
  "files damaged": "0"
}

const number = (text: string | undefined) => Number((text ?? "0").replaceAll(",", ""))

describe("torture", () => {
  it.scopedLive("finds nothing missing, doubled or out of order, and leaves nothing", () =>
    Effect.gen(function* () {
      // With this seed a kernel is killed after a second, and the other one stopped after another.
      const { command, kernels, left } = yield* prepare("--minutes", "0", "--seconds", "5", "--seed", "396")
      const { code, err, out } = yield* finish(command)
      assert.strictEqual(err, "")
      const found = figures(out)
      assert.deepInclude(found, zeros)
      assert.strictEqual(number(found["received once"]) + number(found["refused and reported"]), number(found["sent"]))
      assert.isAbove(number(found["received once"]), 0)
      assert.isAbove(number(found["kills"]), 0)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(yield* left, [])
      assert.deepStrictEqual(yield* kernels, [])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  describe.concurrent("that does not begin", () => {
    it.scopedLive.each([
      ["--kernels 4", "--kernels must be a whole number from 2 to 3, but is '4'."],
      ["--keep --seed", "--seed needs a value."],
      ["--minutes 2.5 -abc", "An option begins with two dashes."]
    ])("refuses %s with one sentence", ([args = "", sentence = ""]) =>
      Effect.flatMap(prepare(...args.split(" ")), (program) => assertRefused(program, sentence)).pipe(
        Effect.provide(NodeContext.layer)
      )
    )

    it.scopedLive("tells its options", () =>
      Effect.gen(function* () {
        const { command } = yield* prepare("--help")
        const { code, out } = yield* finish(command)
        for (const name of ["minutes", "seconds", "kernels", "seed", "keep"]) assert.include(out, `--${name}`)
        assert.strictEqual(Number(code), 0)
      }).pipe(Effect.provide(NodeContext.layer))
    )
  })
})

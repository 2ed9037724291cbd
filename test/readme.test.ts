import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { places, replaceAll, schemas, unaligned } from "./support/optionTables.ts"

const readme = Effect.provide(
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString("README.md")),
  NodeContext.layer
)

describe("the README", () => {
  it.effect("has a place for the options of each module that has some", () =>
    Effect.gen(function* () {
      assert.sameMembers(
        [...places(yield* readme)],
        [...schemas.keys()],
        "put '<!-- options: X -->' and '<!-- /options -->' into README.md for each module X with options, then run 'npm run docs'"
      )
    })
  )

  it("can say of every option what it is", () => {
    for (const [module, options] of schemas) {
      for (const { description, fallback, kind, name } of options) {
        assert.isTrue(
          kind !== undefined && description !== "" && fallback !== "" && !/[|\n]/.test(description + fallback),
          `declare ${module}.${name} with a helper of src/internal/options.ts, described in one line without "|"`
        )
      }
    }
  })

  it.effect("has every option with its default and its description, as the schema says it, and no other", () =>
    Effect.gen(function* () {
      const text = yield* readme
      assert.strictEqual(
        unaligned(text),
        unaligned(replaceAll(text)),
        "the tables of options are not what the schemas say: run 'npm run docs' and commit README.md"
      )
    })
  )
})

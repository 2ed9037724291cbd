import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const read = (file: string) =>
  Effect.provide(
    Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(file)),
    NodeContext.layer
  )

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, at) => first + at)

const rows = range(1, 222)
const items = range(1, 37)
const scenarios = "ABCDEFG"

/** The rows of the tables that begin with a number or a letter, unless told otherwise, as that and the last cell. */
const entries = (text: string, first = "\\d+|[A-G]") =>
  [...text.matchAll(new RegExp(`^\\| (${first}) +\\|.*\\| ([^|]*?) *\\|$`, "gm"))].map(
    ([, number = "", shown]) => [number, shown] as const
  )

describe("docs/behaviours.md", () => {
  it.effect("has every row and every item once, in order", () =>
    Effect.gen(function* () {
      const [ofRows = "", ofItems = "", ofScenarios = ""] = (yield* read("docs/behaviours.md")).split(
        /## (?:Items|Scenarios)/
      )
      assert.deepStrictEqual(
        entries(ofRows).map(([number]) => Number(number)),
        rows
      )
      assert.deepStrictEqual(
        entries(ofItems).map(([number]) => Number(number)),
        items
      )
      assert.strictEqual([...new Set(entries(ofScenarios).map(([letter]) => letter))].join(""), scenarios)
    })
  )

  it.effect("names tests that are there", () =>
    Effect.gen(function* () {
      for (const [number, shown] of entries(yield* read("docs/behaviours.md"), "[^|]*?")) {
        if (shown === "-" || shown === "where it is shown" || /^-+$/.test(shown ?? "")) continue
        const [, file = "", title = ""] = /^`(test\/[\w/.-]+\.test\.ts)` › (.+)$/.exec(shown ?? "") ?? []
        assert.notStrictEqual(title, "", `${number}: "${shown}" names no test`)
        assert.include(yield* read(file), title, `${number}: there is no such test in ${file}`)
      }
    })
  )
})

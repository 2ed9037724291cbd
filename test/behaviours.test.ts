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

/** The rows of sections 1.4 to 1.13 and 1.16, and the items that concern everything between a frame and the network. */
const rows = [...range(38, 174), ...range(213, 222)]
const items = [1, 3, 4, ...range(14, 31), 33, 36, 37]

/** The tables' rows, as number and last cell. */
const entries = (text: string) =>
  [...text.matchAll(/^\| (\d+) +\|.*\| ([^|]*?) *\|$/gm)].map(([, number, shown]) => [Number(number), shown] as const)

describe("docs/behaviours.md", () => {
  it.effect("has every row and every item once, in order", () =>
    Effect.gen(function* () {
      const [ofRows = "", ofItems = ""] = (yield* read("docs/behaviours.md")).split("## Items")
      assert.deepStrictEqual(
        entries(ofRows).map(([number]) => number),
        rows
      )
      assert.deepStrictEqual(
        entries(ofItems).map(([number]) => number),
        items
      )
    })
  )

  it.effect("names tests that are there", () =>
    Effect.gen(function* () {
      for (const [number, shown] of entries(yield* read("docs/behaviours.md"))) {
        if (shown === "-") continue
        const [, file = "", title = ""] = /^`(test\/[\w/.-]+\.test\.ts)` › (.+)$/.exec(shown ?? "") ?? []
        assert.notStrictEqual(title, "", `${number}: "${shown}" names no test`)
        assert.include(yield* read(file), title, `${number}: there is no such test in ${file}`)
      }
    })
  )
})

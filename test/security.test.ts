/** `docs/security.md` and `docs/found.md` name errors, metrics and tests: each of them exists. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Main from "effect-remotes"
import * as Sql from "effect-remotes/sql"
import * as Effect from "effect/Effect"

const read = (path: string) =>
  Effect.provide(
    Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)),
    NodeContext.layer
  )

const errors = new Set(
  Object.values({ ...Main, ...Sql }).flatMap((module) =>
    Object.entries<unknown>(module).flatMap(([name, value]) =>
      typeof value === "function" && value.prototype instanceof Error ? [name] : []
    )
  )
)

/** The cells of a table's rows, without its head. */
const rowsOf = (text: string): ReadonlyArray<ReadonlyArray<string>> =>
  text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .slice(2, -2)
        .split(" | ")
        .map((cell) => cell.trim())
    )
    .slice(2)

/** A cell that names one thing as code, or nothing. */
const codeIn = (cell: string): string | undefined => {
  if (cell === "–") return undefined
  const [, name] = /^`([^`]+)`$/u.exec(cell) ?? []
  return name ?? assert.fail(`"${cell}" is neither code nor –`)
}

/** The tests are named as they are written in the file; several of one file are parted by semicolons. */
const assertTests = (cell: string) =>
  Effect.gen(function* () {
    const [, file = "", names = ""] = /^`(test\/[^`]+\.test\.ts)`: (.+)$/u.exec(cell) ?? assert.fail(`no test: ${cell}`)
    const text = yield* read(file)
    for (const name of names.split("; ")) {
      const written = [`"${name}"`, `\`${name}\``].some((literal) => text.includes(literal))
      assert.isTrue(written, `${file} has no test "${name}"`)
    }
  })

describe("docs/security.md", () => {
  it.effect("names at least 40 attacks, each once, with errors, metrics and tests that exist", () =>
    Effect.gen(function* () {
      const rows = rowsOf(yield* read("docs/security.md"))
      const metrics = yield* read("docs/metrics.md")
      assert.isAtLeast(new Set(rows.map(([attack]) => attack)).size, 40)
      assert.strictEqual(new Set(rows.map(([attack]) => attack)).size, rows.length)
      for (const row of rows) {
        assert.strictEqual(row.length, 6, row.join(" | "))
        const [, limit = "", fallback = "", error = "", metric = "", test = ""] = row
        assert.isTrue(limit !== "" && fallback !== "")
        const tag = codeIn(error)
        if (tag !== undefined) assert.isTrue(errors.has(tag), `there is no error ${tag}`)
        const counter = codeIn(metric)
        if (counter !== undefined) assert.include(metrics, `| \`${counter}\` `)
        yield* assertTests(test)
      }
    })
  )
})

/** Each test of a file, from its title to the next one. */
const testsIn = (text: string): ReadonlyArray<string> => text.split(/^ *it\./mu).slice(1)

describe("test/layers/hostile", () => {
  it.effect.each(["acquaintances", "channels", "crowds", "readers", "relay"])(
    "has an honest peer beside each attack of %s",
    (name) =>
      Effect.gen(function* () {
        const text = yield* read(`test/layers/hostile/${name}.test.ts`)
        // Where all tests share a scene it is there that the honest peer is.
        const [scene = ""] = /^const (?:scene|assertGivenUp) =.*?^\S*$/msu.exec(text) ?? []
        const isBeside = /honestBeside\(|assertHeard\(/u
        const helper = isBeside.test(scene) ? /scene\(|assertGivenUp\(/u : isBeside
        for (const test of testsIn(text)) {
          assert.isTrue(isBeside.test(test) || helper.test(test), `nobody honest in: ${test.slice(0, 120)}`)
        }
      })
  )
})

describe("docs/found.md", () => {
  it.effect("names regression tests that exist", () =>
    Effect.gen(function* () {
      const rows = rowsOf(yield* read("docs/found.md"))
      assert.isNotEmpty(rows)
      for (const row of rows) yield* assertTests(row.at(-1) ?? "")
    })
  )
})

/**
 * Puts the figures of a run into the documentation: `npm run bench:publish -- figures.json`.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { svg } from "./graph.ts"
import { notes, Report, table } from "./report.ts"
import { BenchFailed } from "./Row.ts"
import * as Schema from "effect/Schema"

const page = "docs/benchmarks.md"
const picture = "docs/benchmarks.svg"
const marked = /(<!-- bench -->\n)[^]*(\n<!-- \/bench -->)/u

const usage = "Usage: npm run bench:publish -- <file that npm run bench wrote with --json>"

const textOf = (report: Report) =>
  [
    `${report.machine}; median (lowest–highest) of ${report.repetitions} repetitions.`,
    "",
    table(report.lines),
    "",
    ...notes(report.lines).map((note) => `- ${note}`)
  ].join("\n")

const publish = (file: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const report = yield* Effect.flatMap(files.readFileString(file), Schema.decode(Schema.parseJson(Report))).pipe(
      Effect.mapError(() => new BenchFailed({ sentence: `${file} holds no figures of npm run bench.` }))
    )
    const before = yield* files.readFileString(page)
    yield* files.writeFileString(
      page,
      before.replace(marked, (_, begin: string, end: string) => `${begin}\n${textOf(report)}\n${end}`)
    )
    yield* files.writeFileString(picture, svg(report))
  })

const main = Effect.suspend(() => {
  const [file] = process.argv.slice(2)
  if (file === "--help") return Console.log(usage)
  return file === undefined ? Effect.fail(new BenchFailed({ sentence: usage })) : publish(file)
})

main.pipe(
  Effect.tapError((error) => Console.error(error.message)),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true })
)

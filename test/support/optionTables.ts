/** The option tables of the README, as the schemas have it. */
import * as Main from "effect-remotes"
import * as Sql from "effect-remotes/sql"
import * as Schema from "effect/Schema"
import { type Described, describe } from "../../src/internal/options.ts"

/** Every public module that has a schema of options, so that no new one can be forgotten. */
export const schemas: ReadonlyMap<string, ReadonlyArray<Described>> = new Map(
  Object.entries({ ...Main, ...Sql }).flatMap(([name, module]) =>
    "Options" in module && Schema.isSchema(module.Options) ? [[name, describe(module.Options)]] : []
  )
)

const row = (...cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

const table = (options: ReadonlyArray<Described>) =>
  [
    row("option", "default", "what it is"),
    row("---", "---", "---"),
    ...options.map(({ description, fallback, name }) => row(`\`${name}\``, fallback, description))
  ].join("\n")

const marked = /<!-- options: (\w+) -->\n([^]*?)<!-- \/options -->/g

/** Which modules have a place for their table, in the text's order. */
export const places = (text: string): ReadonlyArray<string> => [...text.matchAll(marked)].map(([, name]) => name ?? "")

/** The text with every table as it should be. */
export const replaceAll = (text: string): string =>
  text.replace(
    marked,
    (_, name: string) => `<!-- options: ${name} -->\n\n${table(schemas.get(name) ?? [])}\n\n<!-- /options -->`
  )

/** The same text without what the formatter adds to a table. */
export const unaligned = (text: string): string => text.replace(/ {2,}/g, " ").replace(/-{3,}/g, "---")

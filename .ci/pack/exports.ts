// Runs in the empty project: what `import "effect-remotes"` gives to a user.
import type * as Main from "effect-remotes"
import type * as Testing from "effect-remotes/testing"
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"

const manifest: { readonly peerDependenciesMeta?: Record<string, { readonly optional?: boolean }> } = JSON.parse(
  readFileSync(new URL(import.meta.resolve("effect-remotes/package.json")), "utf8")
)
const optional = Object.entries(manifest.peerDependenciesMeta ?? {}).flatMap(([name, meta]) =>
  meta.optional === true ? [name] : []
)

registerHooks({
  resolve(specifier, context, next) {
    const hidden = optional.find((name) => specifier === name || specifier.startsWith(`${name}/`))
    if (hidden !== undefined) throw new Error(`${context.parentURL} needs ${hidden}, which is an optional peer`)
    return next(specifier, context)
  }
})

for (const [name, file] of [
  ["effect-remotes", "dist/index.js"],
  ["effect-remotes/browser", "dist/browser.js"],
  ["effect-remotes/sql", "dist/sql.js"],
  ["effect-remotes/testing", "dist/testing/index.js"]
] as const) {
  assert.ok(import.meta.resolve(name).endsWith(`/node_modules/effect-remotes/${file}`), `${name} is not ${file}`)
}
const main: typeof Main = await import("effect-remotes")
const testing: typeof Testing = await import("effect-remotes/testing")
assert.notEqual(Object.keys(main).length, 0)
assert.notEqual(Object.keys(testing).length, 0)

for (const path of ["src/index.ts", "dist/index.js", "layers/RemoteStoreMemory"]) {
  await assert.rejects(import(`effect-remotes/${path}`), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" })
}

/** Loaded before a program: its library never resends what was lost with a channel. */
import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"

const real = "cursor: Math.max(window.base, acknowledged + 1)"

registerHooks({
  load: (url, context, next) => {
    if (!url.endsWith("/src/protocol/SendWindow.ts")) return next(url, context)
    const source = readFileSync(new URL(url), "utf8")
    if (!source.includes(real)) throw new Error(`there is nothing to sabotage in ${url}`)
    return {
      format: "module-typescript",
      source: source.replace(real, "cursor: Math.max(window.base, window.sent + 1)"),
      shortCircuit: true
    }
  }
})

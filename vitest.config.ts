import { defaultServerConditions } from "vite"
import { configDefaults, defineConfig } from "vitest/config"
import { Watchdog } from "./test/support/watchdog.ts"

/** Our own examples and tests import the package by its name; this condition leads the name to `src`. */
const source = "effect-remotes-source"

const real = { testTimeout: 120_000, hookTimeout: 120_000 }

/** The programs that the tests start, a hundred in all, are each compiled once only. */
process.env["NODE_COMPILE_CACHE"] ??= `${import.meta.dirname}/node_modules/.cache/node`

export default defineConfig({
  resolve: { conditions: [source, ...defaultServerConditions] },
  ssr: { resolve: { conditions: [source, ...defaultServerConditions] } },
  test: {
    // Where nobody looks; a long run of one test, as with KILL_ROUNDS, is not to be cut off.
    reporters: process.env["CI"] === undefined ? ["default"] : ["default", new Watchdog()],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, "test/{layers,testing,simulation,e2e,examples}/**"]
        }
      },
      { extends: true, test: { name: "service", include: ["test/{layers,testing,simulation}/**/*.test.ts"] } },
      { extends: true, test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...real } },
      { extends: true, test: { name: "examples", include: ["test/examples/**/*.test.ts"], ...real } }
    ]
  }
})

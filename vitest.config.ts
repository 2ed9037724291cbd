import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { defaultServerConditions } from "vite"
import { configDefaults, defineConfig } from "vitest/config"
import { Watchdog } from "./test/support/watchdog.ts"

/** Our own examples and tests import the package by its name; this condition leads the name to `src`. */
const source = "effect-remotes-source"

const real = { testTimeout: 120_000, hookTimeout: 120_000 }

/** It puts its defects into modules, so that it has to have its own: threads do not share them as the processes do. */
const sabotage = "test/simulation/sabotage.test.ts"

const isCi = Option.isSome(Effect.runSync(Config.option(Config.string("CI"))))

export default defineConfig({
  resolve: { conditions: [source, ...defaultServerConditions] },
  ssr: { resolve: { conditions: [source, ...defaultServerConditions] } },
  test: {
    // Where nobody looks; a long run of one test, as with KILL_ROUNDS, is not to be cut off.
    reporters: isCi ? ["default", new Watchdog()] : ["default"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // The files of a process share their modules: to load them anew for each takes a fifth of the time of all tests.
    pool: "forks",
    poolOptions: { forks: { isolate: false } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, "test/{layers,testing,simulation,e2e,examples}/**"]
        }
      },
      {
        extends: true,
        test: {
          name: "service",
          include: ["test/{layers,testing,simulation}/**/*.test.ts"],
          exclude: [...configDefaults.exclude, sabotage]
        }
      },
      { extends: true, test: { name: "sabotage", include: [sabotage], pool: "threads" } },
      { extends: true, test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...real } },
      { extends: true, test: { name: "examples", include: ["test/examples/**/*.test.ts"], ...real } }
    ]
  }
})

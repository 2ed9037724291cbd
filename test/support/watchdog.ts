/**
 * A reporter that ends a run of which nothing has been heard for longer than any test may take, and names the files under way. A
 * worker that is stuck in a loop can't notice that its test is out of time, and Vitest would wait for it for ever without a word.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Reporter, TestCase, TestModule } from "vitest/node"

/** Longer than the longest `timeout` of a test. */
const patience = Duration.minutes(6)

export class Watchdog implements Reporter {
  readonly #files = new Set<string>()
  readonly #tests = new Map<string, string>()
  #waiting: Fiber.Fiber<void> = Fiber.void

  onTestRunStart(): void {
    this.#heard()
  }

  onTestModuleQueued({ moduleId }: TestModule): void {
    this.#files.add(moduleId)
    this.#heard()
  }

  onTestModuleEnd({ moduleId }: TestModule): void {
    this.#files.delete(moduleId)
    this.#heard()
  }

  onTestCaseReady({ fullName, id }: TestCase): void {
    this.#tests.set(id, fullName)
    this.#heard()
  }

  onTestCaseResult({ id }: TestCase): void {
    this.#tests.delete(id)
    this.#heard()
  }

  onTestRunEnd(): void {
    this.#rest()
  }

  #rest(): void {
    Effect.runFork(Fiber.interruptFork(this.#waiting))
  }

  #heard(): void {
    this.#rest()
    this.#waiting = Effect.runFork(Effect.delay(this.#giveUp, patience))
  }

  readonly #giveUp = Effect.sync(() => {
    const what = [...this.#files, ...this.#tests.values()].join("\n  ")
    const text = `Nothing has been heard of the tests for ${Duration.format(patience)}. Under way:\n  ${what}\n`
    process.stderr.write(text, () => process.exit(1))
  })
}

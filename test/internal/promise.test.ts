import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { acquireAbortable } from "../../src/internal/promise.ts"

const scene = () => {
  let resolve: (value: string) => void = () => undefined
  let reject: (cause: Error) => void = () => undefined
  const promise = new Promise<string>((yes, no) => {
    resolve = yes
    reject = no
  })
  const taken: Array<string> = []
  const late: Array<string> = []
  let signal: AbortSignal | undefined
  const acquire = acquireAbortable(
    (it) => {
      signal = it
      return promise
    },
    (cause) => ({ cause }),
    { taken: (it) => taken.push(it), late: (it) => late.push(it) }
  )
  return { acquire, taken, late, resolve, reject, isAborted: () => signal?.aborted }
}

describe("acquireAbortable", () => {
  it.effect("hands over what the promise yields", () =>
    Effect.gen(function* () {
      const { acquire, late, resolve, taken } = scene()
      resolve("it")
      assert.strictEqual(yield* acquire, "it")
      assert.deepStrictEqual({ taken, late }, { taken: ["it"], late: [] })
    })
  )

  it.effect("fails with what the promise fails with", () =>
    Effect.gen(function* () {
      const { acquire, reject } = scene()
      const cause = new Error("no")
      reject(cause)
      assert.deepStrictEqual(yield* Effect.flip(acquire), { cause })
    })
  )

  it.effect("is interrupted without waiting, aborts, and disposes of what comes late", () =>
    Effect.gen(function* () {
      const { acquire, isAborted, late, resolve, taken } = scene()
      const fiber = yield* Effect.fork(acquire)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.isTrue(isAborted())
      resolve("it")
      yield* Effect.promise(() => Promise.resolve())
      assert.deepStrictEqual({ taken, late }, { taken: [], late: ["it"] })
    })
  )

  it.effect("gives the value to exactly one when the interruption comes at the same moment", () =>
    Effect.gen(function* () {
      for (let ticks = 0; ticks < 12; ticks++) {
        const { acquire, late, resolve, taken } = scene()
        const fiber = yield* Effect.fork(acquire)
        yield* Effect.yieldNow()
        resolve("it")
        for (let i = 0; i < ticks; i++) yield* Effect.promise(() => Promise.resolve())
        yield* Fiber.interrupt(fiber)
        for (let i = 0; i < 12; i++) yield* Effect.promise(() => Promise.resolve())
        assert.lengthOf([...taken, ...late], 1)
      }
    })
  )
})

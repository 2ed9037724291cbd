import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Program } from "../../src/testing/Simulation.ts"
import { check, explain, run } from "../../src/testing/Simulation.ts"

/** A kernel that forgets what it was told when it dies, because it keeps it in a variable. */
const forgetful: Program = () => {
  let heard = 0
  return {
    receive: () => Effect.sync(() => void heard++),
    redeem: (_, reference) => Effect.succeed(reference),
    forget: () => Effect.void
  }
}

/** A kernel that counts in its own tables. */
const counting: Program = (life) => ({
  receive: (_, delivery) => life.note(delivery._tag),
  redeem: (_, reference) => Effect.succeed(reference),
  forget: () => Effect.void
})

const kernels = { alice: forgetful, bob: counting }
const texts = Array.from({ length: 20 }, (_, index) => `message ${index}`)

describe("a simulation of kernels of one's own", () => {
  it.effect("has all messages arrive, whatever dies meanwhile", () =>
    check({
      kernels,
      seeds: 5,
      seconds: 60,
      every: 3,
      faults: ["crash", "cut", "crashBefore", "storeBusy"],
      workload: ({ within }) =>
        Effect.forEach(texts, (text) =>
          Effect.zipRight(
            Effect.retry(
              within("alice", (life) => life.store.transaction(life.send("bob", text))),
              Schedule.spaced("100 millis")
            ),
            Effect.sleep("1 second")
          )
        ),
      check: ({ notes, received }) => [
        ...texts.filter((text) => !received("bob").includes(text)).map((text) => `never came: ${text}`),
        ...(notes("bob").length === received("bob").length ? [] : ["bob noted something else than what it received"])
      ]
    })
  )

  const failing = {
    faults: ["crash", "cut", "delay", "restart"],
    seconds: 60,
    every: 3,
    check: () => ["what the test says"]
  } as const

  it.effect("that fails says so, with what it takes: nothing, if it fails without faults as well", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(check({ ...failing, seeds: 1, from: 7 }))
      assert.strictEqual(failure.seed, 7)
      assert.deepStrictEqual(failure.wrong, ["what the test says"])
      assert.deepStrictEqual(failure.faults, [])
      assert.include(failure.message, "seed 7:")
      assert.include(failure.timeline, "opened")
    })
  )

  it.effect("is cut down to the faults that it takes to fail, and these repeat it", () =>
    Effect.gen(function* () {
      /** Alice must not die twice. */
      const options = {
        ...failing,
        kernels: { alice: mortal, bob: counting },
        check: ({ notes }: { readonly notes: (name: string) => ReadonlyArray<string> }) =>
          notes("alice").length > 2 ? ["alice died twice"] : []
      }
      let seed = 1
      while ((yield* run(seed, options)).wrong.length === 0) seed++
      const failure = yield* explain(seed, options)
      assert.deepStrictEqual(failure.wrong, ["alice died twice"])
      assert.strictEqual(failure.faults.length, 2)
      assert.isTrue(failure.faults.every(({ kernel, kind }) => kernel === "alice" && /crash|restart/.test(kind)))
      assert.include(failure.timeline, "commits a life of mine")
      assert.deepStrictEqual(
        (yield* run(seed, { ...options, faults: { script: failure.faults } })).wrong,
        failure.wrong
      )
    })
  )
})

/** It notes each of its lives, with the first message in it. */
const mortal: Program = (life) => {
  let noted = false
  return {
    ...counting(life),
    receive: () => {
      if (noted) return Effect.void
      noted = true
      return life.note("a life of mine")
    }
  }
}

/**
 * Whole kernels through everything that can go wrong, by a fixed list of seeds. `npm run simulate` runs others.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { FaultKind } from "../../src/testing/Simulation.ts"
import { allFaultKinds, run } from "../../src/testing/Simulation.ts"

const seeds = 60

/** A run takes about a quarter of a second, and the machine may be busy. */
const limit = 300_000

describe("kernels through four minutes of faults", () => {
  it.effect(
    "lose, double and reorder nothing, have an outcome for everything soon afterwards, and leave nothing behind",
    () =>
      Effect.gen(function* () {
        const total = { messages: 0, deaths: 0 }
        const failures: Array<string> = []
        for (let seed = 1; seed <= seeds; seed++) {
          const { deaths, messages, wrong } = yield* run(seed)
          total.messages += messages
          total.deaths += deaths
          if (wrong.length > 0) failures.push(`seed ${seed}: ${wrong.join("; ")}`)
        }
        assert.deepStrictEqual(failures, [])
        assert.isAbove(total.messages, 100 * seeds)
        assert.isAbove(total.deaths, seeds)
      }),
    limit
  )
})

describe("a seed", () => {
  it.effect(
    "goes the same way each time",
    () =>
      Effect.gen(function* () {
        const hashes = new Set<string>()
        for (let seed = 1; seed <= 15; seed++) {
          const { hash } = yield* run(seed, { seconds: 60, every: 5 })
          assert.strictEqual((yield* run(seed, { seconds: 60, every: 5 })).hash, hash, `seed ${seed}`)
          hashes.add(hash)
        }
        assert.strictEqual(hashes.size, 15)
      }),
    limit
  )
})

describe("whoever uses a kernel that dies in the same moment", () => {
  it.effect("is told, and does not wait for what is dead", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* run(500_484)).wrong, [])
    })
  )
})

describe("every kind of fault", () => {
  /** Runs with nothing else until it has had an effect. */
  const firstEffect = (kind: FaultKind) =>
    Effect.gen(function* () {
      for (let seed = 1; seed <= 6; seed++) {
        const { happened, wrong } = yield* run(seed, { faults: [kind], seconds: 60, every: 6 })
        assert.deepStrictEqual(wrong, [], `${kind}, seed ${seed}`)
        const kinds = [...happened.keys()]
        if (kinds.length > 0) return kinds
      }
      return []
    })

  it.effect(
    "has an effect where it is drawn, and no other kind has",
    () =>
      Effect.gen(function* () {
        assert.isAtLeast(allFaultKinds.length, 24)
        for (const kind of allFaultKinds) assert.deepStrictEqual(yield* firstEffect(kind), [kind])
      }),
    limit
  )
})

/** A bounded share of what `npm run fuzz` does. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { names, run } from "./fuzz/run.ts"

/** The link takes whole kernels, options take whole schemas. */
const shares: Readonly<Record<string, number>> = {
  link: 2000,
  options: 600,
  transport: 300,
  identity: 400,
  relay: 300,
  store: 200,
  programs: 500,
  conversations: 4000
}

describe("Whatever comes in, nothing dies of it, hangs or grows:", () => {
  for (const name of names) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { findings, inputs } = yield* run(
          name,
          { seed: 1, from: 0, inputs: shares[name] ?? 10_000 },
          () => Effect.void
        )
        assert.deepStrictEqual(findings, [])
        assert.isAtLeast(inputs, shares[name] ?? 10_000)
      })
    )
  }
})

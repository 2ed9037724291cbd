/** A bounded share of what `npm run fuzz` does. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { names, run } from "./fuzz/run.ts"

/** The link takes whole kernels, the options whole schemas. */
const shares: Readonly<Record<string, number>> = { link: 2000, options: 1500, frames: 10_000, conversations: 4000 }

describe("Whatever comes in, nothing dies of it, hangs or grows:", () => {
  for (const name of names) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { findings, inputs } = yield* run(name, 1, 0, shares[name] ?? 10_000, () => Effect.void)
        assert.deepStrictEqual(findings, [])
        assert.isAtLeast(inputs, shares[name] ?? 10_000)
      })
    )
  }
})

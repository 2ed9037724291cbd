/** The pure state machines of two kernels: thousands of runs in a few seconds. */
import { assert, describe, it } from "@effect/vitest"
import { kinds, run } from "../../src/testing/simulation/protocol.ts"

describe("the state machines of two kernels through a minute of faults", () => {
  it("lose, double and reorder nothing, and everything has an outcome", () => {
    const happened = new Set<string>()
    let messages = 0
    for (let seed = 1; seed <= 1000; seed++) {
      const result = run(seed)
      assert.deepStrictEqual(result.wrong, [], `seed ${seed}`)
      for (const kind of result.happened.keys()) happened.add(kind)
      messages += result.messages
    }
    assert.deepStrictEqual([...happened].sort(), [...kinds].sort())
    assert.isAbove(messages, 50_000)
  })

  it("go the same way each time, 1,000 of 1,000", () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const [first, second] = [run(seed), run(seed)].map(({ happened, ...rest }) => ({ ...rest, kinds: [...happened] }))
      assert.strictEqual(JSON.stringify(second), JSON.stringify(first), `seed ${seed}`)
    }
  })
})

/** What the checker remembers of what kernels handed in. */
import { assert, describe, it } from "@effect/vitest"
import { History } from "../../src/testing/simulation/history.ts"

const said = { from: "alice", to: "bob", text: "re: hello", state: "accepted" } as const

describe("a kernel that hands in the same text twice", () => {
  it("cannot be told apart from one whose message was doubled, so it is a mistake of the test's", () => {
    const history = new History()
    history.note({ ...said, seq: 7, at: 1000 })
    history.note({ ...said, seq: 8, at: 2000 })
    assert.lengthOf(history.problems, 1)
  })

  it("may do so if its store went back in time in between: it does not know of the first one", () => {
    const history = new History()
    history.note({ ...said, seq: 7, at: 1000 })
    history.rolledBack.set("alice", 1500)
    history.note({ ...said, seq: 8, at: 2000 })
    assert.deepStrictEqual(history.problems, [])
    assert.deepStrictEqual(
      [...history.sent.values()].map(({ seq }) => seq),
      [8]
    )
  })
})

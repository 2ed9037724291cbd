import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as GiveUp from "../../src/protocol/GiveUp.ts"

const never: GiveUp.Policy = { _tag: "Never" }
const afterAttempts: GiveUp.Policy = { _tag: "AfterAttempts", attempts: 3 }
const after: GiveUp.Policy = { _tag: "After", millis: 40_000 }
const many = { fastCheck: { numRuns: 10_000 } }

type Step = readonly [event: GiveUp.Event, now: number]

const follow = (steps: ReadonlyArray<Step>) =>
  steps.reduce((state, [event, now]) => GiveUp.step(state, event, now), GiveUp.initial)

const table: ReadonlyArray<readonly [string, GiveUp.Policy, ReadonlyArray<Step>, number, boolean]> = [
  ["never, however long and often", never, Array.from({ length: 99 }, (): Step => ["Failed", 0]), 1e9, false],
  [
    "two failures are not three",
    afterAttempts,
    [
      ["Failed", 0],
      ["Failed", 1]
    ],
    1e9,
    false
  ],
  [
    "three failures are",
    afterAttempts,
    [
      ["Failed", 0],
      ["Failed", 1],
      ["Failed", 2]
    ],
    2,
    true
  ],
  [
    "not if there was contact between",
    afterAttempts,
    [
      ["Failed", 0],
      ["Failed", 1],
      ["Contact", 2],
      ["Failed", 3]
    ],
    3,
    false
  ],
  [
    "nor if nothing was pending",
    afterAttempts,
    [
      ["Failed", 0],
      ["Failed", 1],
      ["Rest", 2],
      ["Failed", 3]
    ],
    3,
    false
  ],
  [
    "waiting is no failure",
    afterAttempts,
    [
      ["Waiting", 0],
      ["Waiting", 1],
      ["Waiting", 2]
    ],
    1e9,
    false
  ],
  [
    "not a millisecond too early",
    after,
    [
      ["Waiting", 5],
      ["Failed", 6]
    ],
    40_004,
    false
  ],
  [
    "but then",
    after,
    [
      ["Waiting", 5],
      ["Failed", 6],
      ["Waiting", 7]
    ],
    40_005,
    true
  ],
  [
    "contact starts it anew",
    after,
    [
      ["Waiting", 0],
      ["Contact", 39_000],
      ["Waiting", 39_500]
    ],
    79_499,
    false
  ],
  [
    "and it ends again",
    after,
    [
      ["Waiting", 0],
      ["Contact", 39_000],
      ["Waiting", 39_500]
    ],
    79_500,
    true
  ],
  [
    "nothing pending, nothing due",
    after,
    [
      ["Waiting", 0],
      ["Rest", 1]
    ],
    1e9,
    false
  ]
]

const events = FastCheck.array(
  FastCheck.tuple(
    FastCheck.constantFrom<Array<GiveUp.Event>>("Waiting", "Failed", "Contact", "Rest"),
    FastCheck.nat(20_000)
  ),
  { minLength: 1, maxLength: 20 }
)

describe("GiveUp", () => {
  it.each(table)("%s", (_, policy, steps, now, due) => {
    assert.strictEqual(GiveUp.decide(policy, follow(steps), now)._tag === "GiveUp", due)
  })

  it.prop(
    "gives up exactly when the events since the last contact or rest say so, and says when to look again",
    [events],
    ([steps]) => {
      let now = 0
      let state = GiveUp.initial
      let history: Array<Step> = []
      for (const [event, delay] of steps) {
        now += delay
        state = GiveUp.step(state, event, now)
        history = event === "Contact" || event === "Rest" ? [] : [...history, [event, now]]
        const failures = history.filter(([it]) => it === "Failed").length
        const since = history[0]?.[1]
        assert.strictEqual(GiveUp.decide(afterAttempts, state, now)._tag === "GiveUp", failures >= 3)
        const decision = GiveUp.decide(after, state, now)
        if (since === undefined) assert.deepStrictEqual(decision, { _tag: "Wait", until: undefined })
        else if (now - since >= 40_000) assert.strictEqual(decision._tag, "GiveUp")
        else assert.deepStrictEqual(decision, { _tag: "Wait", until: since + 40_000 })
        assert.strictEqual(GiveUp.decide(never, state, now)._tag, "Wait")
      }
    },
    many
  )
})

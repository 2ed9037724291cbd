import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Outcome, Restored, Scenario } from "../support/rollback.ts"
import { play } from "../support/rollback.ts"

const empty: Restored = { _tag: "Empty" }
const copy = (commit: number): Restored => ({ _tag: "Copy", commit })
const sides = ["alice", "bob"] as const
const reset = ["SessionResetError"]

/** Plays one after the other; each must leave nothing silently lost or doubled, and say what is `expected`. */
const playAll = (scenarios: ReadonlyArray<Scenario>, expected: (outcome: Outcome, scenario: Scenario) => boolean) =>
  Effect.gen(function* () {
    const failures: Array<string> = []
    for (const scenario of scenarios) {
      const outcome = yield* play(scenario)
      const wrong = expected(outcome, scenario) ? outcome.wrong : [...outcome.wrong, JSON.stringify(outcome.told)]
      if (wrong.length > 0) failures.push(`${JSON.stringify(scenario)}: ${wrong.join("; ")}`)
    }
    assert.deepStrictEqual(failures, [])
  })

const says = ({ told }: Outcome, alice: ReadonlyArray<string>, bob: ReadonlyArray<string>) =>
  JSON.stringify([told.alice, told.bob]) === JSON.stringify([alice, bob])

/**
 * Of the twelve commits of the past, the first ones are those before the first contact, of which the kernel that goes back to them
 * knows nothing that could be reset; the last two only remove what is acknowledged.
 */
const commits = 12
const firstContact = 4
const lastMessage = 10
const range = (from: number, through: number) => Array.from({ length: through - from + 1 }, (_, index) => from + index)

const everywhere = (from: number, through: number, offline: boolean): ReadonlyArray<Scenario> =>
  sides.flatMap((side) => range(from, through).map((commit) => ({ restored: { [side]: copy(commit) }, offline })))

describe("a store that goes back in time", () => {
  for (const offline of [false, true]) {
    const when = offline ? ", with messages handed in before the kernels meet again" : ""

    it.effect(`is told to both kernels, once, and what they say then arrives${when}`, () =>
      playAll(everywhere(firstContact, lastMessage, offline), (outcome) => says(outcome, reset, reset))
    )

    it.effect(`to before the first contact is told to the other kernel${when}`, () =>
      playAll(everywhere(1, firstContact - 1, offline), (outcome, { restored }) => {
        // The one that went back remembers nobody; it is told if it had something to say, which may have been received.
        const ended = restored.alice === undefined ? outcome.told.bob : outcome.told.alice
        return ended.length === 0
          ? says(outcome, restored.alice === undefined ? reset : [], restored.alice === undefined ? [] : reset)
          : says(outcome, reset, reset)
      })
    )

    it.effect(`by nothing that matters changes nothing${when}`, () =>
      playAll(everywhere(lastMessage + 1, commits, offline), (outcome) => says(outcome, [], []))
    )

    it.effect(`and is lost altogether is told to the other kernel as its restart${when}`, () =>
      playAll(
        sides.map((side) => ({ restored: { [side]: empty }, offline })),
        (outcome, { restored }) =>
          restored.alice === undefined
            ? says(outcome, ["PeerRestartedError"], [])
            : says(outcome, [], ["PeerRestartedError"])
      )
    )

    it.effect(`on both sides leaves nothing silently lost or doubled${when}`, () =>
      playAll(
        [
          { restored: { alice: empty, bob: empty }, offline },
          ...[1, 3, 5, 7, 9, 11].flatMap((alice) =>
            [2, 4, 6, 8, 10, 12].map((bob) => ({ restored: { alice: copy(alice), bob: copy(bob) }, offline }))
          )
        ],
        ({ told }) => told.alice.length <= 1 && told.bob.length <= 1
      )
    )
  }
})

describe("a kernel that dies while it finds that a store went back in time", () => {
  for (const side of sides) {
    for (const restored of sides) {
      it.effect(`${side} dies, ${restored}'s store went back`, () =>
        Effect.gen(function* () {
          const scenario = { restored: { [restored]: copy(6) }, offline: true }
          const { operations } = yield* play(scenario)
          const strikes = operations[side].slice(0, 30).flatMap((operation, index) => {
            const before = { side, at: index + 1, blow: "before" } as const
            return operation === "commit" ? [before, { ...before, blow: "after" } as const] : [before]
          })
          yield* playAll(
            strikes.map((strike) => ({ ...scenario, strike })),
            (outcome) => says(outcome, reset, reset)
          )
        })
      )
    }
  }
})

/**
 * Processes that are killed with SIGKILL, at moments that a seed decides. `KILL_ROUNDS=100` has more of them than CI has time for.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { isClean } from "../../examples/torture/check.ts"
import { makeCast } from "../support/cast.ts"

const roundsInCi = 10
const rounds = Config.withDefault(Config.integer("KILL_ROUNDS"), roundsInCi)

/** Either side, or both at once. */
const victims = [["alice"], ["bob"], ["alice"], ["bob"], ["alice", "bob"]] as const

describe("kernels that are killed again and again while they talk", () => {
  it.scopedLive(
    "lose, double and reorder nothing, and report each refusal once",
    () =>
      Effect.gen(function* () {
        const manners = { answers: 7, busy: 61, dies: 13, refuses: 17 }
        const cast = yield* makeCast({ ask: 200, manners, rest: 10, turn: 16, size: 20_000 })
        const count = yield* rounds
        yield* cast.allow(Number.MAX_SAFE_INTEGER)
        yield* Effect.all([cast.start("alice"), cast.start("bob")])
        let reached = { alice: 0, bob: 0 }
        for (let round = 0; round < count; round++) {
          const more = yield* Random.nextIntBetween(20, 200)
          // Both go on: what was committed before the last kill has not put an end to anything.
          yield* cast.until(({ alice, bob }) => {
            const isOn = alice.received >= reached.alice + more && bob.received >= reached.bob + more
            if (isOn) reached = { alice: alice.received, bob: bob.received }
            return isOn
          })
          const who = victims[yield* Random.nextIntBetween(0, victims.length)] ?? victims[0]
          yield* Effect.forEach(who, cast.kill, { discard: true })
          yield* Effect.forEach(who, cast.start, { discard: true })
        }
        yield* cast.complete
        const verdict = cast.verdict(yield* cast.accounts)
        assert.isTrue(isClean(verdict), JSON.stringify(verdict))
        assert.isAbove(verdict.refused, 0)
        assert.isAbove(verdict.redeemed, 0)
        assert.isAbove(verdict.sent, 2 * 20 * count)
      }).pipe(Effect.withRandom(Random.make("kills")), Effect.provide(NodeContext.layer)),
    3_600_000
  )
})

/** Many messages at once between processes with SQLite files: at first contact, under a rate limit, and after a long absence. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { RemotesConfig } from "effect-remotes"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { impatient } from "../../examples/torture/lines.ts"
import type { Account } from "../../examples/torture/check.ts"
import { makeCast } from "../support/cast.ts"

const range = (through: number) => Array.from({ length: through }, (_, index) => 1 + index)

const numbers = ({ received }: Account) => received.map(({ number }) => number)

/** Nothing was told to anybody, and nothing ended other than well. */
const assertQuiet = (...accounts: ReadonlyArray<Account>) => {
  for (const { letters, told } of accounts) assert.deepStrictEqual([told, letters], [[], []])
}

describe("twenty messages at first contact", () => {
  it.scopedLive("all arrive, in order, from both sides at once", () =>
    Effect.gen(function* () {
      const cast = yield* makeCast()
      yield* cast.allow(20)
      yield* Effect.all([cast.start("alice"), cast.start("bob")])
      yield* cast.settled(20, 20)
      const { alice, bob } = yield* cast.accounts
      assert.deepStrictEqual([numbers(alice), numbers(bob)], [range(20), range(20)])
      assertQuiet(alice, bob)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("150 messages at once under a limit of 100 a second", () => {
  it.scopedLive("all arrive, in order: they wait for their turn", () =>
    Effect.gen(function* () {
      const options = Either.getOrThrow(RemotesConfig.toQueryString({ ...impatient, maxMessagesPerSecond: 100 }))
      const cast = yield* makeCast({ options, turn: 150 })
      yield* cast.allow(150, ["alice"])
      yield* Effect.all([cast.start("alice"), cast.start("bob")])
      yield* cast.settled(150, 0)
      const { alice, bob } = yield* cast.accounts
      assert.deepStrictEqual([numbers(alice), numbers(bob)], [[], range(150)])
      assertQuiet(alice, bob)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("10,000 messages for a process that is down", () => {
  it.scopedLive(
    "all arrive, once and in order, although the sender was killed meanwhile",
    () =>
      Effect.gen(function* () {
        const cast = yield* makeCast({ window: 10_000 })
        yield* cast.allow(1)
        yield* Effect.all([cast.start("alice"), cast.start("bob")])
        yield* cast.settled(1, 1)
        yield* cast.kill("bob")
        yield* cast.allow(10_001, ["alice"])
        yield* cast.until(({ alice }) => alice.pending === 10_000)
        yield* cast.kill("alice")
        yield* cast.start("alice")
        yield* cast.until(({ alice }) => alice.pending === 10_000)
        yield* cast.start("bob")
        yield* cast.settled(10_001, 1)
        const { alice, bob } = yield* cast.accounts
        assert.deepStrictEqual([numbers(alice), numbers(bob)], [range(1), range(10_001)])
        assertQuiet(alice, bob)
      }).pipe(Effect.provide(NodeContext.layer)),
    300_000
  )
})

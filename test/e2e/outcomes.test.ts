/** What becomes of messages between processes: what is on record in their SQLite files, and what came instead of the rest. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Account } from "../../examples/torture/check.ts"
import { makeCast } from "../support/cast.ts"

const range = (from: number, through: number) => Array.from({ length: through - from + 1 }, (_, index) => from + index)

const numbers = (rows: ReadonlyArray<{ readonly number: number }>) => rows.map(({ number }) => number)

const told = ({ told }: Account) => told.map(({ why }) => why)

const letters = ({ letters }: Account) =>
  letters.map(({ direction, number, reason }) => ({ direction, number, reason }))

const unknown = (reason: string, these: ReadonlyArray<number>) =>
  these.map((number) => ({ direction: "outbound" as const, number, reason }))

/** Both are there, and each has twenty messages of the other's, which were sent at first contact. */
const begin = Effect.gen(function* () {
  const cast = yield* makeCast()
  yield* cast.allow(20)
  yield* Effect.all([cast.start("alice"), cast.start("bob")])
  yield* cast.settled(20, 20)
  yield* Effect.all([cast.tidied("alice"), cast.tidied("bob")])
  return cast
})

describe.concurrent("a store that is restored from an older copy while its process is down", () => {
  it.scopedLive(
    "the peer's: both kernels are told, what was pending is on record with its outcome unknown, and they go on",
    () =>
      Effect.gen(function* () {
        const cast = yield* begin
        const older = yield* cast.copy("bob")
        yield* cast.allow(40)
        yield* cast.settled(40, 40)
        yield* cast.kill("bob")
        yield* cast.restore("bob", older)
        yield* cast.allow(50, ["alice"])
        yield* cast.until(({ alice }) => alice.pending === 10)
        yield* cast.allow(20, ["bob"])
        yield* cast.start("bob")
        yield* cast.until(({ alice, bob }) => alice.told === 1 && bob.told === 1)
        yield* cast.allow(60)
        yield* cast.settled(60, 60)
        const { alice, bob } = yield* cast.accounts
        assert.deepStrictEqual([told(alice), told(bob)], [["SessionResetError"], ["SessionResetError"]])
        assert.deepStrictEqual(letters(alice), unknown("SessionReset", range(41, 50)))
        assert.deepStrictEqual(letters(bob), [])
        assert.deepStrictEqual(numbers(bob.received), [...range(1, 20), ...range(51, 60)])
        // Bob does not know any more that he had sent 21 to 40.
        assert.deepStrictEqual(numbers(alice.received), [...range(1, 40), ...range(21, 60)])
      }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("one's own: likewise, and what the peer has already does not come to it again", () =>
    Effect.gen(function* () {
      const cast = yield* begin
      yield* cast.silence
      yield* cast.allow(30, ["alice"])
      yield* cast.until(({ alice }) => alice.pending === 10)
      const older = yield* cast.copy("alice")
      yield* cast.heal
      yield* cast.allow(40, ["alice"])
      yield* cast.settled(40, 20)
      yield* cast.kill("alice")
      yield* cast.restore("alice", older)
      yield* cast.allow(25, ["bob"])
      yield* cast.until(({ bob }) => bob.pending === 5)
      yield* cast.allow(30, ["alice"])
      yield* cast.start("alice")
      yield* cast.until(({ alice, bob }) => alice.told === 1 && bob.told === 1)
      yield* cast.allow(50)
      yield* cast.settled(50, 50)
      const { alice, bob } = yield* cast.accounts
      assert.deepStrictEqual([told(alice), told(bob)], [["SessionResetError"], ["SessionResetError"]])
      assert.deepStrictEqual(letters(alice), unknown("SessionReset", range(21, 30)))
      assert.deepStrictEqual(letters(bob), unknown("SessionReset", range(21, 25)))
      // Alice does not know any more that she had sent 31 to 40.
      assert.deepStrictEqual(numbers(bob.received), [...range(1, 40), ...range(31, 50)])
      assert.deepStrictEqual(numbers(alice.received), [...range(1, 20), ...range(26, 50)])
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe.concurrent("a store that is lost while its process is down", () => {
  it.scopedLive(
    "the peer is told of a restart, what was pending is on record with its outcome unknown, and they go on",
    () =>
      Effect.gen(function* () {
        const cast = yield* begin
        yield* cast.kill("bob")
        yield* cast.lose("bob")
        yield* cast.allow(30, ["alice"])
        yield* cast.until(({ alice }) => alice.pending === 10)
        yield* cast.allow(0, ["bob"])
        yield* cast.start("bob")
        yield* cast.until(({ alice }) => alice.told === 1)
        yield* cast.allow(40)
        yield* cast.settled(40, 40)
        const { alice, bob } = yield* cast.accounts
        assert.deepStrictEqual([told(alice), told(bob)], [["PeerRestartedError"], []])
        assert.deepStrictEqual(letters(alice), unknown("PeerRestarted", range(21, 30)))
        assert.deepStrictEqual(letters(bob), [])
        assert.deepStrictEqual(numbers(bob.received), range(31, 40))
        assert.deepStrictEqual(numbers(alice.received), [...range(1, 20), ...range(1, 40)])
      }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe.concurrent("a kernel that throws", () => {
  it.scopedLive("on the third of five messages: it alone is refused, and on record on both sides", () =>
    Effect.gen(function* () {
      const manners = { answers: 0, busy: 0, dies: 3, refuses: 0 }
      const cast = yield* makeCast({ manners })
      yield* cast.allow(5, ["alice"])
      yield* Effect.all([cast.start("alice"), cast.start("bob")])
      yield* cast.settled(5, 0)
      const { alice, bob } = yield* cast.accounts
      assert.deepStrictEqual(
        bob.received.map((it) => it.number),
        [1, 2, 4, 5]
      )
      assert.deepStrictEqual(alice.letters, [
        { direction: "outbound", number: 3, reason: "RejectedByPeer", peer: bob.peerId }
      ])
      assert.deepStrictEqual(bob.letters, [
        { direction: "inbound", number: 3, reason: "HandlerFailed", peer: alice.peerId }
      ])
      assert.deepStrictEqual([alice.told, bob.told], [[], []])
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe.concurrent("a kernel that is stopped in good order while the path is silent", () => {
  it.scopedLive("discards nothing: what was pending arrives after the next start", () =>
    Effect.gen(function* () {
      const cast = yield* begin
      yield* cast.silence
      yield* cast.allow(30)
      yield* cast.until(({ alice, bob }) => alice.pending === 10 && bob.pending === 10)
      yield* cast.stop("alice")
      yield* cast.heal
      yield* cast.start("alice")
      yield* cast.settled(30, 30)
      const accounts = yield* cast.accounts
      assert.deepStrictEqual(numbers(accounts.bob.received), range(1, 30))
      assert.deepStrictEqual(numbers(accounts.alice.received), range(1, 30))
      for (const account of [accounts.alice, accounts.bob])
        assert.deepStrictEqual([told(account), letters(account)], [[], []])
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

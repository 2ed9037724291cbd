import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Check from "../../examples/torture/check.ts"
import type { Relation } from "../../examples/torture/lines.ts"
import { isRefused, lastTaken } from "../../examples/torture/manners.ts"
import * as Plan from "../../examples/torture/plan.ts"
import * as Report from "../../examples/torture/report.ts"
import * as Tally from "../../examples/torture/tally.ts"

const manners = { answers: 0, busy: 0, dies: 0, refuses: 4 }

/** Alice has sent 1 to 5 to bob, who refuses 4; he has sent nothing. */
const alice: Check.Account = {
  peerId: "alice",
  sent: [1, 2, 3, 4, 5].map((number) => ({ peer: "bob", number })),
  received: [],
  told: [],
  asked: [{ peer: "bob", answer: "ro+1" }],
  waiting: [],
  known: [{ peer: "bob", received: 0 }],
  letters: [{ peer: "bob", direction: "outbound", reason: "RejectedByPeer", number: 4 }],
  integrity: "ok"
}
const bob: Check.Account = {
  peerId: "bob",
  sent: [],
  received: [1, 2, 3, 5].map((number) => ({ peer: "alice", number })),
  told: [],
  asked: [],
  waiting: [],
  known: [{ peer: "alice", received: 5 }],
  letters: [{ peer: "alice", direction: "inbound", reason: "RejectedHere", number: 4 }],
  integrity: "ok"
}

const arrivals = (...numbers: ReadonlyArray<number>) => ({
  received: numbers.map((number) => ({ peer: "alice", number }))
})

const letter = (reason: string, number: number) => ({ peer: "bob", direction: "outbound" as const, reason, number })

const wrongs: ReadonlyArray<readonly [string, Partial<Check.Account>, Partial<Check.Account>, Partial<Check.Verdict>]> =
  [
    ["a missing message", {}, arrivals(1, 2, 5), { missing: 1, receivedOnce: 3 }],
    ["a doubled message", {}, arrivals(1, 2, 2, 3, 5), { doubled: 1, receivedOnce: 3 }],
    ["a late message", {}, arrivals(1, 3, 2, 5), { outOfOrder: 1 }],
    ["a message that nobody sent", {}, arrivals(1, 2, 3, 5, 6), { uncalledFor: 1 }],
    ["a refused message that was taken", {}, arrivals(1, 2, 3, 4, 5), { uncalledFor: 1 }],
    ["a turn that happened twice", { sent: [...alice.sent, { peer: "bob", number: 5 }] }, {}, { doubled: 1 }],
    ["a refusal that nobody told", { letters: [] }, {}, { missing: 1, misreported: 1, refused: 0 }],
    [
      "a refusal that was told twice",
      { letters: [letter("RejectedByPeer", 4), letter("RejectedByPeer", 4)] },
      {},
      { missing: 1, misreported: 1, refused: 0 }
    ],
    [
      "a refusal of what was not refused",
      { letters: [...alice.letters, letter("RejectedByPeer", 1)] },
      {},
      { misreported: 1 }
    ],
    ["a dead letter of another kind", { letters: [...alice.letters, letter("GivenUp", 1)] }, {}, { misreported: 1 }],
    ["a message still to be sent", { waiting: [{ peer: "bob", seq: 6 }] }, {}, { waiting: 1 }],
    ["a conversation that began anew", {}, { told: [{ peer: "alice", why: "SessionResetError" }] }, { resets: 1 }],
    ["a wrong answer", { asked: [{ peer: "bob", answer: "ro+2" }] }, {}, { redeemed: 0, redeemedWrong: 1 }],
    ["a damaged file", {}, { integrity: "row 1 missing from index" }, { damaged: 1 }]
  ]

describe("compare", () => {
  const right = Check.compare([alice, bob], manners, "ro+1")

  it("takes what was received, or refused and reported, for right", () => {
    assert.deepInclude(right, { sent: 5, receivedOnce: 4, refused: 1, redeemed: 1 })
    assert.isTrue(Check.isClean(right))
  })

  it("does not mind what the library has not yet removed, or could not redeem in time", () => {
    const verdict = Check.compare(
      [
        {
          ...alice,
          asked: [...alice.asked, { peer: "bob", answer: "RedemptionTimeoutError" }],
          waiting: [{ peer: "bob", seq: 5 }]
        },
        bob
      ],
      manners,
      "ro+1"
    )
    assert.deepStrictEqual(verdict, { ...right, redeemedLate: 1 })
    assert.isTrue(Check.isClean(verdict))
  })

  it.each(wrongs)("sees %s", (_, ofAlice, ofBob, differs) => {
    const verdict = Check.compare(
      [
        { ...alice, ...ofAlice },
        { ...bob, ...ofBob }
      ],
      manners,
      "ro+1"
    )
    assert.deepStrictEqual(verdict, { ...right, ...differs })
    assert.isFalse(Check.isClean(verdict))
  })

  it("takes nothing at all for wrong", () => {
    const nothing = { sent: [], received: [], letters: [], asked: [] }
    assert.isFalse(
      Check.isClean(
        Check.compare(
          [
            { ...alice, ...nothing },
            { ...bob, ...nothing }
          ],
          manners,
          "ro+1"
        )
      )
    )
  })

  it.scoped("says which file cannot be read", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
      const failure = yield* Effect.flip(Check.read(`${directory}/none.sqlite`))
      assert.strictEqual(failure.message, `What is in ${directory}/none.sqlite cannot be read.`)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("manners", () => {
  it.prop(
    "have a last message that is taken, and none that is taken behind it",
    [FastCheck.nat(1000), FastCheck.nat(9), FastCheck.nat(9)],
    ([upTo, refuses, dies]) => {
      const these = { answers: 0, busy: 0, dies, refuses }
      const last = lastTaken(these, upTo)
      assert.isTrue(last === 0 || !isRefused(these, last))
      for (let number = last + 1; number <= upTo; number++) assert.isTrue(isRefused(these, number))
    }
  )
})

describe("Plan", () => {
  const draw = (seed: number) =>
    Effect.all([
      Effect.replicateEffect(Plan.falls(seed, 3), 50),
      Effect.replicateEffect(Plan.disturbances(seed, 3), 200)
    ])

  it.effect("is decided by its seed, and has everything in it", () =>
    Effect.gen(function* () {
      const [falls, disturbances] = yield* draw(1)
      assert.deepStrictEqual([falls, disturbances], yield* draw(1))
      assert.notDeepEqual([falls, disturbances], yield* draw(2))
      assert.sameMembers([...new Set(falls.map(({ value }) => value.what))], ["Freeze", "Kill", "Stop"])
      assert.sameMembers(
        [...new Set(disturbances.map(({ value }) => value.what))],
        ["Cut", "Reset", "Truncate", "Stall", "Delay"]
      )
      for (const all of [falls, disturbances])
        assert.sameMembers([...new Set(all.map(({ value }) => value.which))], [0, 1, 2])
      for (const { wait } of falls) assert.isTrue(wait >= 1000 && wait <= 5000)
    })
  )
})

describe("Tally", () => {
  const relation = (over: Partial<typeof Relation.Type>) => ({
    peer: "bob",
    sent: 0,
    received: 0,
    pending: 0,
    link: "Open",
    opened: 1,
    resent: 0,
    ...over
  })
  const said = (upTo: number, over: Partial<typeof Relation.Type>) =>
    ({ _tag: "Standing", upTo, told: 0, relations: [relation(over)] }) as const
  const none = { answers: 0, busy: 0, dies: 0, refuses: 0 }
  const both = (alice: ReturnType<typeof said>, bob: ReturnType<typeof said>) =>
    Tally.report(Tally.report(Tally.start(0), "alice", alice, 1), "bob", bob, 1)

  it("is complete when nobody sends by itself, and each has what the other sent", () => {
    const done = both(said(0, { sent: 9, received: 4 }), said(0, { peer: "alice", sent: 4, received: 9 }))
    assert.isTrue(Tally.isComplete(done, 2, none))
    assert.isFalse(Tally.isComplete(done, 3, none))
    const others = [
      both(said(9, { sent: 9, received: 4 }), said(0, { peer: "alice", sent: 4, received: 9 })),
      both(said(0, { sent: 9, received: 4, pending: 1 }), said(0, { peer: "alice", sent: 4, received: 9 })),
      both(said(0, { sent: 9, received: 4 }), said(0, { peer: "alice", sent: 4, received: 8 }))
    ]
    for (const tally of others) assert.isFalse(Tally.isComplete(tally, 2, none))
    // The ninth is not to be taken.
    assert.isTrue(Tally.isComplete(others[2] ?? done, 2, { ...none, refuses: 9 }))
  })

  it("is not complete by what a kernel said before it fell", () => {
    const done = both(said(0, { sent: 9, received: 4 }), said(0, { peer: "alice", sent: 4, received: 9 }))
    assert.isFalse(Tally.isComplete(Tally.end(done, "bob"), 2, none))
  })

  it("adds up openings and resends over all lives", () => {
    const first = Tally.report(Tally.start(0), "alice", said(9, { opened: 3, resent: 7 }), 1)
    const second = Tally.report(Tally.end(first, "alice"), "alice", said(9, { opened: 1, resent: 2 }), 2)
    assert.deepStrictEqual([Tally.opened(second), Tally.resent(second)], [4, 9])
  })

  it("takes what rises, what waits and gets less, and mishaps for progress", () => {
    const first = Tally.report(Tally.start(0), "alice", said(9, { sent: 5, pending: 5 }), 1)
    const at = (tally: Tally.Tally) => tally.progressedAt
    assert.strictEqual(at(Tally.report(first, "alice", said(9, { sent: 5, pending: 5, link: "Dialing" }), 2)), 1)
    assert.strictEqual(at(Tally.report(first, "alice", said(9, { sent: 5, pending: 4 }), 3)), 3)
    assert.strictEqual(at(Tally.report(first, "alice", said(9, { sent: 5, pending: 5, received: 1 }), 4)), 4)
    assert.strictEqual(at(Tally.befall(first, "Stall", 5)), 5)
  })

  it("is no ordeal unless a kernel was killed", () => {
    const mild = Tally.befall(Tally.befall(Tally.start(0), "Stop", 1), "Cut", 2)
    assert.isFalse(Tally.wasOrdeal(mild))
    assert.isTrue(Tally.wasOrdeal(Tally.befall(mild, "Kill", 3)))
  })

  it("is said in one line, and where nothing moves in one sentence", () => {
    const tally = Tally.befall(
      both(said(9, { sent: 1234, pending: 5 }), said(9, { peer: "alice", received: 3 })),
      "Kill",
      2
    )
    assert.strictEqual(
      Report.progressLine(tally, 99.6),
      "storm · sent 1,234 · received 3 · pending 5 · 100/s · kills 1 · stops 0 · freezes 0 · disturbances 0"
    )
    assert.strictEqual(
      Report.stallSentence(tally, "60s", (peer) => peer),
      "Nothing moved for 60s (alice to bob: Open, sent 1234, pending 5, received 0; " +
        "bob to alice: Open, sent 0, pending 0, received 3)."
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Senders from "../../src/protocol/Senders.ts"
import * as Session from "../../src/protocol/Session.ts"
import type { Op } from "./Session.model.ts"
import { holds } from "../support/longProperty.ts"
import { run, script } from "./Session.model.ts"

const many = { fastCheck: { numRuns: 10_000 } }

const number = FastCheck.nat(4)
const statement = FastCheck.record(
  {
    incarnationId: FastCheck.constantFrom("A", "A2"),
    peerIncarnationId: FastCheck.constantFrom(undefined, "B", "B2"),
    epoch: FastCheck.nat(2),
    received: number,
    sent: number,
    acknowledged: number,
    base: number,
    next: number,
    senders: FastCheck.constantFrom<ReadonlyArray<Senders.Sender>>(
      [],
      [{ from: 1, process: "p" }],
      [
        { from: 1, process: "p" },
        { from: 3, process: "q" }
      ]
    ),
    receivedFrom: FastCheck.constantFrom(undefined, "p", "q")
  },
  { noNullPrototype: true }
)
const theirStatement = FastCheck.tuple(
  statement,
  FastCheck.constantFrom("B", "B2"),
  FastCheck.constantFrom(undefined, "A", "A2")
).map(([statement, incarnationId, peerIncarnationId]) => ({ ...statement, incarnationId, peerIncarnationId }))

const at = (numbers: Partial<Session.Statement> = {}): Session.Statement => ({
  incarnationId: "A",
  peerIncarnationId: "B",
  epoch: 0,
  received: 0,
  sent: 0,
  acknowledged: 0,
  base: 1,
  next: 1,
  senders: [],
  receivedFrom: undefined,
  ...numbers
})
const atOther = (numbers: Partial<Session.Statement> = {}) =>
  at({ incarnationId: "B", peerIncarnationId: "A", ...numbers })

describe("Session", () => {
  it.prop(
    "settles on the same session on both sides, whatever they state",
    [statement, theirStatement],
    ([mine, theirs]) => {
      const verdict = Session.settle(mine, theirs)
      const mirrored = Session.settle(theirs, mine)
      assert.strictEqual(verdict.epoch, mirrored.epoch)
      const nobodyMet = mine.peerIncarnationId === undefined
      assert.strictEqual(verdict._tag === "First", nobodyMet && (mine.next === 1 || verdict.epoch === 0))
      assert.strictEqual(
        verdict._tag === "Restarted",
        mine.peerIncarnationId !== undefined && mine.peerIncarnationId !== theirs.incarnationId
      )
      if (verdict._tag === "Same") assert.strictEqual(verdict.epoch, mine.epoch)
      if (verdict._tag === "RolledBack") assert.isAbove(verdict.epoch, nobodyMet ? 0 : mine.epoch)
    },
    many
  )

  it("begins at the first contact", () => {
    assert.deepStrictEqual(Session.settle(Session.firstStatement("A"), Session.firstStatement("B")), {
      _tag: "First",
      epoch: 0
    })
  })

  it("goes on where one side has heard less than the other has said", () => {
    const verdict = Session.settle(
      at({ sent: 5, next: 9, received: 2 }),
      atOther({ received: 3, sent: 4, next: 5, acknowledged: 1, base: 2 })
    )
    assert.deepStrictEqual(verdict, { _tag: "Same", epoch: 0 })
  })

  it("notices each of the four contradictions, from both sides", () => {
    const sent = { sent: 5, next: 6 }
    for (const [mine, theirs] of [
      [at({ ...sent, acknowledged: 3, base: 4 }), atOther({ received: 2 })],
      [at(sent), atOther({ received: 6 })],
      [at({ received: 2 }), atOther({ ...sent, acknowledged: 3, base: 4 })],
      [at({ received: 6 }), atOther(sent)]
    ] as const) {
      assert.deepStrictEqual(Session.settle(mine, theirs), { _tag: "RolledBack", epoch: 1 })
      assert.deepStrictEqual(Session.settle(theirs, mine), { _tag: "RolledBack", epoch: 1 })
    }
  })

  it("notices that a number was given to another message, by who transmitted it first", () => {
    const senders = [
      { from: 1, process: "p1" },
      { from: 5, process: "p2" }
    ]
    const mine = at({ acknowledged: 4, sent: 7, base: 5, next: 8, senders })
    const heard = (received: number, receivedFrom: string | undefined) => {
      const theirs = atOther({ received, receivedFrom })
      const verdict = Session.settle(mine, theirs)
      assert.deepStrictEqual(Session.settle(theirs, mine), verdict)
      return verdict._tag
    }
    assert.strictEqual(heard(7, "p2"), "Same")
    assert.strictEqual(heard(7, "p3"), "RolledBack")
    assert.strictEqual(heard(4, "p1"), "Same")
    assert.strictEqual(heard(4, "p2"), "RolledBack")
    // A side that does not know can only be believed.
    assert.strictEqual(heard(7, undefined), "Same")
    assert.strictEqual(
      Session.settle({ ...mine, senders: [] }, atOther({ received: 7, receivedFrom: "p3" }))._tag,
      "Same"
    )
  })

  it("knows who first transmitted a number, as far as anybody may ask", () => {
    const one = Senders.extend([], "p1", { settled: 0, sent: 0, through: 3 })
    assert.deepStrictEqual(one, [{ from: 1, process: "p1" }])
    assert.strictEqual(Senders.extend(one, "p1", { settled: 1, sent: 2, through: 9 }), one)
    assert.strictEqual(Senders.extend(one, "p2", { settled: 1, sent: 3, through: 3 }), one)
    const two = Senders.extend(one, "p2", { settled: 3, sent: 3, through: 5 })
    assert.deepStrictEqual(two, [...one, { from: 4, process: "p2" }])
    assert.deepStrictEqual(
      [3, 4, 9].map((seq) => Senders.find(two, seq)),
      ["p1", "p2", "p2"]
    )
    assert.deepStrictEqual(Senders.extend(two, "p2", { settled: 4, sent: 5, through: 5 }), [{ from: 4, process: "p2" }])
    // What was on record as sent because a channel was open, and was not, is transmitted first by whoever comes next.
    assert.deepStrictEqual(Senders.extend(two, "p2", { settled: 0, sent: 3, through: 3 }), one)
    assert.deepStrictEqual(Senders.extend(two, "p3", { settled: 0, sent: 3, through: 4 }), [
      ...one,
      { from: 4, process: "p3" }
    ])
  })

  it("names no more senders than a handshake holds, and forgets the oldest", () => {
    let senders: ReadonlyArray<Senders.Sender> = []
    for (let index = 1; index <= 20; index += 1) {
      senders = Senders.extend(senders, `p${index}`, { settled: 0, sent: index - 1, through: index })
    }
    assert.strictEqual(senders.length, Senders.max)
    assert.deepStrictEqual(
      [4, 5, 20].map((seq) => Senders.find(senders, seq)),
      [undefined, "p5", "p20"]
    )
  })

  it("takes what was not sent when a channel opened for its process's own", () => {
    const said = at({ sent: 3, next: 9, senders: [{ from: 2, process: "p1" }] })
    assert.deepStrictEqual(
      [1, 2, 3, 4].map((seq) => Session.senderOnChannel(said, "p2", seq)),
      [undefined, "p1", "p1", "p2"]
    )
    assert.isUndefined(Session.senderOnChannel(undefined, undefined, 1))
  })

  it("lets the side that has not heard of a new session follow into it, if nobody was heard in it", () => {
    const ahead = at({ epoch: 3, sent: 4, next: 5 })
    const behind = atOther({ epoch: 2, received: 7, sent: 7, next: 8, acknowledged: 6, base: 7 })
    assert.deepStrictEqual(Session.settle(ahead, behind), { _tag: "Same", epoch: 3 })
    assert.deepStrictEqual(Session.settle(behind, ahead), { _tag: "RolledBack", epoch: 3 })
  })

  it("begins anew where one side forgot a session in which it was heard", () => {
    const behind = atOther({ epoch: 2 })
    for (const ahead of [at({ epoch: 3, received: 1 }), at({ epoch: 3, sent: 1, next: 2, acknowledged: 1, base: 2 })]) {
      assert.deepStrictEqual(Session.settle(ahead, behind), { _tag: "RolledBack", epoch: 4 })
      assert.deepStrictEqual(Session.settle(behind, ahead), { _tag: "RolledBack", epoch: 4 })
    }
  })

  it("tells a lost memory from a first contact", () => {
    const mine = at({ received: 4, sent: 4, next: 5, acknowledged: 4, base: 5 })
    assert.deepStrictEqual(Session.settle(mine, Session.firstStatement("B2")), { _tag: "Restarted", epoch: 0 })
    assert.deepStrictEqual(Session.settle(Session.firstStatement("B2"), mine), { _tag: "First", epoch: 0 })
  })

  it("tells a first contact from a store that went back to before it, if that has anything to say", () => {
    const theirs = atOther({ received: 2 })
    const unsent = { ...Session.firstStatement("A"), next: 4 }
    assert.deepStrictEqual(Session.settle(unsent, theirs), { _tag: "RolledBack", epoch: 1 })
    assert.deepStrictEqual(Session.settle(unsent, atOther({ epoch: 3 })), { _tag: "RolledBack", epoch: 3 })
    assert.deepStrictEqual(Session.settle(unsent, atOther()), { _tag: "First", epoch: 0 })
    // A stranger must not be able to put itself on record by claiming to be none.
    assert.deepStrictEqual(Session.settle(Session.firstStatement("A"), theirs), { _tag: "First", epoch: 1 })
    assert.deepStrictEqual(Session.settle(theirs, Session.firstStatement("A")), { _tag: "RolledBack", epoch: 1 })
  })

  it("takes nothing for received that was never transmitted, however far the numbers have grown", () => {
    const restored = at({ sent: 4, next: 13 })
    assert.deepStrictEqual(Session.settle(restored, atOther({ received: 9 })), { _tag: "RolledBack", epoch: 1 })
  })

  it("knows which verdicts end a conversation", () => {
    assert.deepStrictEqual(
      (["Same", "First", "Restarted", "RolledBack"] as const).map((_tag) => Session.isEnding({ _tag, epoch: 1 })),
      [false, false, true, true]
    )
  })

  it("passes what the other side will not send, and nothing else", () => {
    assert.strictEqual(Session.abandoned(3, atOther({ base: 9, next: 12 })), 5)
    assert.strictEqual(Session.abandoned(8, atOther({ base: 9, next: 12 })), 0)
    assert.strictEqual(Session.abandoned(10, atOther({ base: 9, next: 12 })), 0)
  })

  it("carries over the numbers of the session that goes on, and of no other", () => {
    const numbers = { epoch: 1, received: 3, sent: 5, acknowledged: 4, base: 5, next: 6 }
    const theirs = atOther({ ...numbers, senders: [{ from: 1, process: "p" }], receivedFrom: "q" })
    const anew = { ...Session.firstStatement("B"), peerIncarnationId: "A" }
    assert.deepStrictEqual(Session.carriedOver({ _tag: "Same", epoch: 1 }, theirs, "A"), theirs)
    assert.deepStrictEqual(Session.carriedOver({ _tag: "RolledBack", epoch: 2 }, theirs, "A"), anew)
    assert.deepStrictEqual(Session.carriedOver({ _tag: "First", epoch: 1 }, theirs, "A2"), anew)
  })

  it("hears of what was given up before the first contact", () => {
    const theirs = { ...Session.firstStatement("B"), base: 4, next: 6 }
    const verdict = Session.settle(Session.firstStatement("A"), theirs)
    assert.strictEqual(Session.abandoned(0, Session.carriedOver(verdict, theirs, "A")), 3)
  })

  describe("between two stores", () => {
    const runs = async (special: ReadonlyArray<Op["what"]>) => {
      const tags = ["First", "Same", "Restarted", "RolledBack"] as const
      const seen = { First: 0, Same: 0, Restarted: 0, RolledBack: 0 }
      await holds(script(special), (ops) => {
        const verdicts = run(ops)
        for (const tag of tags) seen[tag] += verdicts[tag]
      })
      return seen
    }

    it("never ends a conversation because of crashes, losses and late hellos", { timeout: 300_000 }, async () => {
      const seen = await runs(["lose", "crash", "tidy", "late", "giveUp"])
      assert.isAbove(seen.Same, 1000)
      assert.strictEqual(seen.Restarted + seen.RolledBack, 0)
    })

    it("notices a newer copy that is put back after an older one was", { timeout: 300_000 }, async () => {
      const seen = await runs(["copy", "restore", "restore"])
      assert.isAbove(seen.RolledBack, 1000)
    })

    it(
      "notices every store that went back in time or was lost, and goes on from there",
      { timeout: 300_000 },
      async () => {
        const seen = await runs([
          "lose",
          "crash",
          "tidy",
          "late",
          "giveUp",
          "copy",
          "copy",
          "restore",
          "restore",
          "wipe"
        ])
        for (const [verdict, count] of Object.entries(seen)) assert.isAbove(count, 300, verdict)
      }
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Credit from "../../src/protocol/Credit.ts"

const many = { fastCheck: { numRuns: 10_000 } }

const limits = FastCheck.record(
  {
    frame: FastCheck.integer({ min: 1, max: 20 }),
    messages: FastCheck.integer({ min: 2, max: 6 }),
    more: FastCheck.nat(30)
  },
  { noNullPrototype: true }
).map(({ frame, messages, more }): Credit.Limits => ({ frame, messages, bytes: 2 * frame + more }))

interface Op {
  readonly what: "say" | "arrive" | "take" | "grant" | "hear" | "lose" | "forge" | "flood"
  readonly size: number
}

const script: FastCheck.Arbitrary<ReadonlyArray<Op>> = FastCheck.array(
  FastCheck.record({
    what: FastCheck.oneof(
      { weight: 6, arbitrary: FastCheck.constantFrom<Op["what"]>("say", "arrive", "take", "grant", "hear") },
      { weight: 1, arbitrary: FastCheck.constantFrom<Op["what"]>("lose", "forge", "flood") }
    ),
    size: FastCheck.integer({ min: 1, max: 20 })
  }),
  { maxLength: 60, size: "max" }
)

/** A sender, a receiver, and what is on its way between them on one channel after another. */
const makeWorld = (limits: Credit.Limits) => {
  let purse = Credit.openPurse(limits)
  let grants = Credit.openGrants(limits)
  let messages: Array<number> = []
  let credits: Array<Credit.Amount> = []
  let untaken = 0

  const say = (size: number): boolean => {
    const { bytes, messages: count } = Credit.left(purse)
    if (count < 1 || bytes < size) return false
    purse = Credit.spend(purse, { messages: 1, bytes: size })
    messages.push(size)
    return true
  }
  const arrive = () => {
    const size = messages.shift()
    if (size === undefined) return
    grants = Either.getOrThrow(Credit.arrive(grants, { messages: 1, bytes: size }))
    untaken += size
    assert.isAtMost(untaken, limits.bytes, "never more is held than there is room for")
    assert.isAtMost(grants.arrived.messages - grants.taken.messages, limits.messages)
  }
  const take = () => {
    grants = Credit.take(grants)
    untaken = 0
  }
  const giveCredit = () => {
    const to = Credit.due(grants)
    if (to === undefined) return
    grants = Credit.issue(grants, to)
    credits.push(to)
  }
  const hear = () => {
    const to = credits.shift()
    if (to !== undefined) purse = Either.getOrThrow(Credit.grant(purse, to))
  }
  const lose = () => {
    purse = Credit.openPurse(limits)
    grants = Credit.openGrants(limits)
    messages = []
    credits = []
    untaken = 0
  }
  const forge = (more: number) => {
    const { used } = purse
    for (const to of [
      { messages: used.messages + limits.messages + more, bytes: 0 },
      { messages: 0, bytes: used.bytes + limits.bytes + more },
      { messages: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER }
    ]) {
      assert.isTrue(Either.isLeft(Credit.grant(purse, to)))
    }
    // What is old, or was heard before, changes nothing.
    assert.deepStrictEqual(Credit.grant(purse, { messages: 0, bytes: 0 }), Either.right(purse))
    assert.deepStrictEqual(Credit.grant(purse, purse.granted), Either.right(purse))
  }
  const flood = (more: number) => {
    const left = {
      messages: grants.granted.messages - grants.arrived.messages,
      bytes: grants.granted.bytes - grants.arrived.bytes
    }
    assert.isTrue(Either.isRight(Credit.arrive(grants, left)))
    assert.isTrue(Either.isLeft(Credit.arrive(grants, { ...left, messages: left.messages + more })))
    assert.isTrue(Either.isLeft(Credit.arrive(grants, { ...left, bytes: left.bytes + more })))
  }
  const settle = () => {
    while (messages.length > 0) arrive()
    take()
    giveCredit()
    while (credits.length > 0) hear()
  }
  return { say, arrive, take, grant: giveCredit, hear, lose, forge, flood, settle }
}

describe("Credit", () => {
  it.prop(
    "never lets more be said than there is room for, and lets everything through once what came was taken",
    [limits, script],
    ([limits, script]) => {
      const world = makeWorld(limits)
      for (const { size, what } of script) {
        if (what === "say") world.say(Math.min(size, limits.frame))
        else if (what === "forge" || what === "flood") world[what](size)
        else world[what]()
      }
      for (let round = 0; round < 3; round += 1) {
        world.settle()
        assert.isTrue(world.say(limits.frame), "the largest frame fits where nothing is held")
      }
    },
    many
  )

  it("announces room for two of the largest frames, whatever their size", () => {
    for (const frame of [4096, 1_048_576, 3_000_000]) assert.isTrue(Credit.isSensible(Credit.limitsFor(frame)))
    assert.isFalse(Credit.isSensible({ frame: 10, messages: 2, bytes: 19 }))
    assert.isFalse(Credit.isSensible({ frame: 10, messages: 1, bytes: 20 }))
  })

  it("is granted for many messages at once", () => {
    const limits = { frame: 10, messages: 8, bytes: 100 }
    let grants = Credit.openGrants(limits)
    const takeOne = (bytes: number) => {
      grants = Credit.take(Either.getOrThrow(Credit.arrive(grants, { messages: 1, bytes })))
      return Credit.due(grants)
    }
    assert.deepStrictEqual([takeOne(1), takeOne(1), takeOne(1)], [undefined, undefined, undefined])
    assert.deepStrictEqual(takeOne(1), { messages: 12, bytes: 104 })
    grants = Credit.issue(grants, { messages: 12, bytes: 104 })
    assert.strictEqual(Credit.due(grants), undefined)
    assert.deepStrictEqual(takeOne(50), { messages: 13, bytes: 154 })
  })
})

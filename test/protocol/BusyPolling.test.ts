import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as BusyPolling from "../../src/protocol/BusyPolling.ts"

/** How long each answer took, in milliseconds, or that much was sent before it. */
type Event = number | "much"

const quick = FastCheck.double({ min: 0, max: BusyPolling.longest, noNaN: true })
const late = FastCheck.double({ min: 2 * BusyPolling.longest, max: 1e9, noNaN: true })
const events = (...kinds: ReadonlyArray<FastCheck.Arbitrary<Event>>) =>
  FastCheck.array(FastCheck.oneof(...kinds), { maxLength: 2000, size: "max" })
const much = FastCheck.constant<Event>("much")

interface Tried {
  readonly polling: BusyPolling.BusyPolling
  readonly found: number
  readonly missed: number
}

const start: Tried = { polling: BusyPolling.initial, found: 0, missed: 0 }

/** What becomes of it where answers are looked for whenever that pays. `isHindered`: none is found because of that very looking. */
const live = (from: Tried, events: ReadonlyArray<Event>, isHindered = false): Tried =>
  events.reduce(({ found, missed, polling }: Tried, event): Tried => {
    if (event === "much") return { found, missed, polling: BusyPolling.streamed(polling) }
    if (!BusyPolling.pays(polling)) return { found, missed, polling: BusyPolling.answered(polling, event) }
    if (event <= BusyPolling.longest && !isHindered)
      return { found: found + 1, missed, polling: BusyPolling.found(polling) }
    const after = BusyPolling.missed(polling)
    return { found, missed: missed + 1, polling: BusyPolling.answered(after, event + BusyPolling.longest) }
  }, from)

const times = (count: number, event: Event) => Array<Event>(count).fill(event)
const many = { fastCheck: { numRuns: 300 } }

describe("BusyPolling", () => {
  it("is tried after four quick answers, and goes on as long as answers are found", () => {
    assert.deepStrictEqual(
      [0, 3, 4].map((count) => BusyPolling.pays(live(start, times(count, 0.2)).polling)),
      [false, false, true]
    )
    assert.strictEqual(live(start, times(1000, BusyPolling.longest)).found, 996)
  })

  it.prop(
    "is never tried without four quick answers since the last time it was in vain, or much was sent",
    [events(quick, late, much)],
    ([all]) => {
      let state = start
      let since = 0
      for (const event of all) {
        const { missed } = state
        state = live(state, [event])
        const isQuick = event !== "much" && event <= BusyPolling.longest
        since = isQuick ? since + 1 : state.missed > missed || event === "much" ? 0 : since
        if (BusyPolling.pays(state.polling)) assert.isAtLeast(since, 4)
      }
    },
    many
  )

  it.prop("costs nothing where answers are late, or three quick ones and a late one take turns", [late], ([after]) => {
    assert.strictEqual(live(start, times(1000, after)).missed, 0)
    const turns = Array.from({ length: 1000 }, (_, index) => (index % 4 === 3 ? after : 0.1))
    assert.strictEqual(live(start, turns).missed, 0)
  })

  it("is tried ever more seldom where it keeps answers from coming, and after 256 of them at last", () => {
    const missedAfter = (count: number) => live(start, times(count, 0.2), true).missed
    // The fifth finds none, then the ninth of the rest, the seventeenth, and so on.
    assert.deepStrictEqual([4, 5, 13, 14, 30, 31].map(missedAfter), [0, 1, 1, 2, 2, 3])
    assert.strictEqual(missedAfter(1000 + 257 * 100) - missedAfter(1000), 100)
  })

  it.prop(
    "is tried again after 256 quick answers in a row, whatever came before, and after one that is found it needs four",
    [events(quick, late, much), FastCheck.boolean()],
    ([before, isHindered]) => {
      const now = live(start, before, isHindered)
      const then = live(now, times(257, 0.5))
      assert.isAbove(then.found, now.found)
      assert.isTrue(BusyPolling.pays(then.polling))
      assert.isTrue(
        BusyPolling.pays(live({ ...then, polling: BusyPolling.streamed(then.polling) }, times(4, 0.5)).polling)
      )
    },
    many
  )

  it("survives a late answer among quick ones, also where it needs many", () => {
    const mostly = Array.from({ length: 10_000 }, (_, index) => (index % 50 === 49 ? 5 : 0.2))
    const { found, missed } = live(start, mostly)
    assert.isAbove(found, 8000)
    assert.isAtMost(missed, 200)
    const polling = Array.from({ length: 6 }).reduce<BusyPolling.BusyPolling>(BusyPolling.missed, BusyPolling.initial)
    assert.isAbove(live({ ...start, polling }, mostly.slice(0, 400)).found, 0)
  })

  it("does not outlast a late answer because of all that were quick before while nobody looked", () => {
    const unseen = Array.from({ length: 1000 }).reduce<BusyPolling.BusyPolling>(
      (polling) => BusyPolling.answered(polling, 0.2),
      BusyPolling.initial
    )
    assert.isTrue(BusyPolling.pays(unseen))
    assert.isFalse(BusyPolling.pays(BusyPolling.answered(unseen, 5)))
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Liveness from "../../src/protocol/Liveness.ts"

const settings: Liveness.Settings = { least: 200, most: 5000 }
const many = { fastCheck: { numRuns: 2000 } }

interface Run {
  readonly asks: ReadonlyArray<number>
  readonly lostAt: number | undefined
  readonly state: Liveness.State
}

/** Looks whenever it is time; the peer answers a question after `answers` milliseconds, or never. */
const run = (start: Liveness.State, until: number, answers: number | undefined): Run => {
  const asks: Array<number> = []
  const due: Array<number> = []
  let state = start
  let now = 0
  for (;;) {
    const [next, verdict] = Liveness.look(settings, state, now)
    state = next
    if (verdict._tag === "Lost") return { asks, lostAt: now, state }
    if (verdict._tag === "Ask") {
      asks.push(now)
      if (answers !== undefined) due.push(now + answers)
      continue
    }
    const lookAt = verdict._tag === "Wait" ? now + verdict.millis : Infinity
    now = Math.min(lookAt, due[0] ?? Infinity)
    if (now > until) return { asks, lostAt: undefined, state }
    if (now === due[0]) {
      due.shift()
      state = Liveness.heard(state, { answer: true, other: false }, now)
    }
  }
}

const owing = (sample: number | undefined, experience = Liveness.inexperienced) =>
  Liveness.owe(Liveness.open(experience, sample), true, 0)

describe("Liveness", () => {
  it("asks after 1, 2 and 4 timeouts of silence, and gives the path up after 8", () => {
    const { asks, lostAt } = run(owing(0), 60_000, undefined)
    assert.deepStrictEqual(asks, [200, 400, 800])
    assert.strictEqual(lostAt, 1600)
  })

  it("goes by the estimate, and by a second while there is none", () => {
    assert.strictEqual(run(owing(100), 60_000, undefined).lostAt, 8 * 300)
    assert.strictEqual(run(owing(undefined), 60_000, undefined).lostAt, 1000 + settings.most)
  })

  it("asks nobody who owes nothing", () => {
    const state = Liveness.owe(owing(0), false, 100)
    assert.deepStrictEqual(run(state, 1e9, undefined), { asks: [], lostAt: undefined, state })
  })

  it("asks a peer that lives but says nothing else less and less often, and keeps it", () => {
    const { asks, lostAt } = run(owing(0), 60_000, 1)
    assert.strictEqual(lostAt, undefined)
    assert.isAtMost(asks.length, 18)
    const pauses = asks.map((at, index) => at - (asks[index - 1] ?? 0))
    assert.isAtMost(Math.max(...pauses), settings.most + 1)
  })

  it("measures the round trip by the first answer", () => {
    const { state } = run(owing(0), 10_000, 250)
    assert.isAbove(state.roundTrip.smoothed ?? 0, 0)
    assert.isAtMost(state.roundTrip.smoothed ?? 0, 250)
  })

  it("gives bytes on their way the time that they may take", () => {
    const state = Liveness.wrote(owing(0), 262_144)
    assert.strictEqual(run(state, 60_000, undefined).lostAt, 1600 + 1024)
    assert.strictEqual(run(Liveness.wrote(owing(0), 1e9), 60_000, undefined).lostAt, 200 + settings.most)
  })

  it("after a loss waits for twice as long, until something is heard that is no answer", () => {
    const cautious = Liveness.afterLoss(owing(0))
    assert.strictEqual(run(owing(0, cautious), 60_000, undefined).lostAt, 3200)
    const progressed = Liveness.heard(owing(0, cautious), { answer: false, other: true }, 0)
    assert.strictEqual(run(progressed, 60_000, undefined).lostAt, 1600)
  })

  it("does not take its own standstill for the peer's silence", () => {
    const [stalled, verdict] = Liveness.look(settings, { ...owing(0), asked: 3 }, 30_000)
    assert.deepStrictEqual(verdict, { _tag: "Wait", millis: 200 })
    assert.strictEqual(Liveness.look(settings, stalled, 30_199)[1]._tag, "Wait")
    assert.strictEqual(Liveness.look(settings, stalled, 30_200)[1]._tag, "Lost")
  })

  it.prop(
    "never gives up a path that answers each question before the next silence is over, nor keeps one that does not",
    [FastCheck.nat(3000), FastCheck.nat(3000), FastCheck.integer({ min: 1, max: 32 }), FastCheck.nat(1e7)],
    ([sample, answers, caution, bytes]) => {
      const start = Liveness.wrote(owing(sample, { ...Liveness.inexperienced, caution }), bytes)
      const lost = run(start, 1e6, undefined)
      assert.isDefined(lost.lostAt)
      assert.isAtLeast(lost.lostAt ?? 0, Math.min(1600, 2 * sample))
      assert.isAtMost(lost.lostAt ?? 0, 2 * settings.most + 1)
      assert.isAtLeast(lost.asks.length, 1)
      const [firstAsk = 0] = lost.asks
      if (firstAsk + answers < (lost.lostAt ?? 0)) {
        const alive = run(start, firstAsk + answers, answers)
        assert.isUndefined(alive.lostAt)
      }
    },
    many
  )
})

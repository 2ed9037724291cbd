import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as PendingAge from "../../src/protocol/PendingAge.ts"

const second = 1000
const step = FastCheck.record({
  wait: FastCheck.oneof(FastCheck.nat(500), FastCheck.nat(20 * second), FastCheck.nat(86_400 * second)),
  accepted: FastCheck.integer({ min: 0, max: 3 }),
  settled: FastCheck.oneof(FastCheck.constant(0), FastCheck.nat(4))
})

describe("PendingAge", () => {
  it("knows since when the oldest message waits, closely enough, in bounded memory", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(step, { minLength: 1, maxLength: 60, size: "max" }), (steps) => {
        const times: Array<number> = []
        let marks = PendingAge.empty
        let lowest = 1
        let now = 0
        let longest = 0
        for (const { accepted, settled, wait } of steps) {
          now += wait
          lowest = Math.min(times.length + 1, lowest + settled)
          if (accepted > 0) marks = PendingAge.accept(marks, { from: times.length + 1, lowest, now })
          for (let count = 0; count < accepted; count += 1) times.push(now)
          assert.isAtMost(marks.length, PendingAge.maxMarks + 1)
          if (lowest > times.length) continue
          const actual = times[lowest - 1] ?? NaN
          const told = PendingAge.oldest(marks, lowest) ?? NaN
          assert.isAtMost(told, actual)
          longest = Math.max(longest, now - told)
          assert.isAtMost(actual - told, Math.max(second, longest / 16))
        }
      }),
      { numRuns: 10_000, endOnFailure: true }
    )
  })

  it("keeps few marks for a steady stream of messages that are never settled", () => {
    let marks = PendingAge.empty
    let most = 0
    for (let seq = 1; seq <= 100_000; seq += 1) {
      marks = PendingAge.accept(marks, { from: seq, lowest: 1, now: seq * second })
      most = Math.max(most, marks.length)
    }
    assert.isAtMost(most, PendingAge.maxMarks + 1)
    assert.strictEqual(PendingAge.oldest(marks, 1), second)
  })

  it("forgets what was before, when everything was settled", () => {
    const first = PendingAge.accept(PendingAge.empty, { from: 1, lowest: 1, now: 0 })
    const then = PendingAge.accept(first, { from: 2, lowest: 2, now: 60 * second })
    assert.deepStrictEqual(then, [{ from: 2, at: 60 * second }])
    assert.isUndefined(PendingAge.oldest(PendingAge.empty, 1))
  })
})

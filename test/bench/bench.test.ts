import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { charts, svg } from "../../bench/graph.ts"
import { paceOf } from "../../bench/pace.ts"
import { lineOf, table } from "../../bench/report.ts"
import { figures, isMet, quantile, spreadOf } from "../../bench/statistics.ts"
import * as Settings from "../../bench/settings.ts"

const pairs = [
  { ours: 30, raw: 10 },
  { ours: 10, raw: 10 },
  { ours: 40, raw: 20 }
]

describe("the bench's statistics", () => {
  it("takes quantiles whatever the order, between two values where there is none", () => {
    assert.deepStrictEqual(
      [0, 0.5, 1].map((part) => quantile([4, 1, 3, 2], part)),
      [1, 2.5, 4]
    )
    assert.strictEqual(quantile([7], 0.99), 7)
    assert.deepStrictEqual(spreadOf([10, 9, 100]), { median: 10, min: 9, max: 100 })
  })

  it("judges pair by pair, not median by median", () => {
    assert.deepStrictEqual(figures("ratio", pairs), [3, 1, 2])
    assert.deepStrictEqual(figures("difference", pairs), [20, 0, 20])
    assert.deepStrictEqual(figures("ours", pairs), [30, 10, 40])
    assert.isTrue(isMet({ figure: "ratio", sense: "at least", limit: 2 }, pairs))
    assert.isFalse(isMet({ figure: "ratio", sense: "at least", limit: 2.01 }, pairs))
    assert.isTrue(isMet({ figure: "difference", sense: "at most", limit: 20 }, pairs))
    assert.isFalse(isMet({ figure: "difference", sense: "at most", limit: 19 }, pairs))
  })

  it("says in the table what was missed", () => {
    const target = { figure: "ratio", sense: "at least", limit: 3 } as const
    const line = lineOf({ name: "n", what: "w", against: "raw", unit: "msg/s", target, pairs, beside: [] })
    const [, , row] = table([line]).split("\n")
    assert.strictEqual(
      row,
      "| w | 30.0 (10.0–40.0) msg/s | raw: 10.0 (10.0–20.0) msg/s | 2.00 (1.00–3.00)× | ≥ 3× | **no** |"
    )
  })
})

describe("the bench's picture", () => {
  const line = (name: string, ours: number) =>
    lineOf({
      name,
      what: name,
      against: "raw",
      unit: "msg/s",
      target: { figure: "ratio", sense: "at least", limit: 1 },
      pairs: [{ ours, raw: 50_000 }],
      beside: [{ what: "one sync per message", value: 500, unit: "msg/s" }]
    })

  it("has what was measured, and nothing else", () => {
    const lines = [line("durable", 60_000), line("cpu", 1)]
    const [chart, ...others] = charts({ machine: "m", repetitions: 1, lines })
    assert.deepStrictEqual(
      chart?.bars.map(({ value }) => value),
      [500, 50_000, 60_000]
    )
    assert.deepStrictEqual(others, [])
  })

  it("draws bars as long as their values", () => {
    const picture = svg({ machine: "m", repetitions: 1, lines: [line("durable", 100_000)] })
    const bars = [...picture.matchAll(/<rect x="230" y="\d+" width="([\d.]+)"/gu)].map(([, width]) => Number(width))
    assert.deepStrictEqual(bars, [1.8, 180, 360])
  })
})

describe("the bench's arguments", () => {
  it("are rows, in the order of the table, or all", () => {
    const names = (asked: ReadonlyArray<string>) => Either.getOrThrow(Settings.select(asked)).map(({ name }) => name)
    assert.deepStrictEqual(names(["memory", "durable"]), ["durable", "memory"])
    assert.isAbove(names([]).length, 5)
    assert.strictEqual(new Set(names([])).size, names([]).length)
  })

  it("that name no row are refused in one sentence", () => {
    const refusal = (asked: ReadonlyArray<string>) => Either.getOrThrow(Either.flip(Settings.select(asked))).message
    assert.strictEqual(refusal(["durable", "--json"]), "--json is no option of the bench, or lacks its value.")
    assert.match(refusal(["durable", "speed"]), /^There is no row 'speed'; there are durable, memory, .*\.$/u)
  })

  it("a kernel's pace stays below the limits of the library", () => {
    for (const size of [1, 256, 4096, 65_536, 1_048_576]) {
      const { turn, turns } = paceOf(size)
      assert.isAtLeast(turn * turns, 1)
      assert.isAtMost(turn * turns, 10_000)
      assert.isAtMost(turn * turns * size, 64 * 1_048_576)
    }
  })
})

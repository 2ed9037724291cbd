/** Runs targets, and tells what held. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { fuzzLink } from "./link.ts"
import { makeDraw } from "./mutate.ts"
import { targets } from "./targets.ts"

export interface Finding {
  readonly target: string
  readonly index: number
  readonly what: string
}

export interface Row {
  readonly target: string
  readonly inputs: number
  readonly millis: number
  /** The slowest batch of a thousand, in milliseconds. */
  readonly slowest: number
  readonly findings: ReadonlyArray<Finding>
}

export const names: ReadonlyArray<string> = [...targets.map(({ name }) => name), "link"]

const batch = 1000

/** More findings of one target say nothing more. */
const mostFindings = 10

/** A batch that takes longer hangs, or as good as. */
const mostMillis = 20_000

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

type Progress = (target: string, done: number) => Effect.Effect<void>

const runPure = (target: (typeof targets)[number], seed: number, from: number, inputs: number, progress: Progress) =>
  Effect.gen(function* () {
    const findings: Array<Finding> = []
    const begun = yield* Clock.currentTimeMillis
    let slowest = 0
    let index = from
    while (index < from + inputs && findings.length < mostFindings) {
      const before = yield* Clock.currentTimeMillis
      const end = Math.min(from + inputs, index + batch)
      for (; index < end; index += 1) {
        const at = index
        const tried = yield* Effect.either(Effect.try(() => target.input(makeDraw(seed, at))))
        if (tried._tag === "Left") findings.push({ target: target.name, index: at, what: describe(tried.left.error) })
      }
      const took = (yield* Clock.currentTimeMillis) - before
      slowest = Math.max(slowest, took)
      if (took > mostMillis) findings.push({ target: target.name, index: end - batch, what: `a batch took ${took} ms` })
      yield* progress(target.name, index - from)
      yield* Effect.yieldNow()
    }
    const millis = (yield* Clock.currentTimeMillis) - begun
    const row: Row = { target: target.name, inputs: index - from, millis, slowest, findings }
    return row
  })

const runLink = (seed: number, inputs: number, progress: Progress) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    const tried = yield* Effect.either(Effect.sandbox(fuzzLink(seed, inputs, (done) => progress("link", done))))
    const millis = (yield* Clock.currentTimeMillis) - begun
    const row: Row = {
      target: "link",
      inputs: tried._tag === "Right" ? tried.right : 0,
      millis,
      slowest: 0,
      findings: tried._tag === "Right" ? [] : [{ target: "link", index: 0, what: String(tried.left) }]
    }
    return row
  })

/** Runs one target over so many inputs, each made of the seed and its index. */
export const run = (
  name: string,
  seed: number,
  from: number,
  inputs: number,
  progress: Progress
): Effect.Effect<Row> => {
  const target = targets.find((it) => it.name === name)
  return target === undefined ? runLink(seed, inputs, progress) : runPure(target, seed, from, inputs, progress)
}

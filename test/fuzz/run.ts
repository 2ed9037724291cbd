/** Runs targets, and tells what held. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { fuzzLink, inputsPerCheck, type Share } from "./link.ts"
import { makeDraw } from "./mutate.ts"
import { targets } from "./targets.ts"

export interface Finding {
  readonly target: string
  /** Where to begin, and how many inputs it takes, to see it again. */
  readonly index: number
  readonly inputs: number
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

const runPure = (target: (typeof targets)[number], { from, inputs, seed }: Share, progress: Progress) =>
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
        if (tried._tag === "Left")
          findings.push({ target: target.name, index: at, inputs: 1, what: describe(tried.left.error) })
      }
      const took = (yield* Clock.currentTimeMillis) - before
      slowest = Math.max(slowest, took)
      if (took > mostMillis)
        findings.push({ target: target.name, index: end - batch, inputs: batch, what: `a batch took ${took} ms` })
      yield* progress(target.name, index - from)
      yield* Effect.yieldNow()
    }
    const millis = (yield* Clock.currentTimeMillis) - begun
    const row: Row = { target: target.name, inputs: index - from, millis, slowest, findings }
    return row
  })

const runLink = (share: Share, progress: Progress) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    let reached = 0
    const onProgress = (done: number) => {
      reached = done
      return progress("link", done)
    }
    const tried = yield* Effect.either(Effect.sandbox(fuzzLink(share, onProgress)))
    const millis = (yield* Clock.currentTimeMillis) - begun
    const findings =
      tried._tag === "Right"
        ? []
        : [{ target: "link", index: share.from, inputs: reached + inputsPerCheck, what: String(tried.left) }]
    const row: Row = {
      target: "link",
      inputs: tried._tag === "Right" ? tried.right : reached,
      millis,
      slowest: 0,
      findings
    }
    return row
  })

/** Runs one target over a share of its inputs, each made of the seed and its index. */
export const run = (name: string, share: Share, progress: Progress): Effect.Effect<Row> => {
  const target = targets.find((it) => it.name === name)
  return target === undefined ? runLink(share, progress) : runPure(target, share, progress)
}

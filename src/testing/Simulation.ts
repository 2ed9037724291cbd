/**
 * Whole kernels, with all their services, on a simulated network in virtual time, while things go wrong by a seed.
 *
 * A run is repeatable: the same seed and options go the same way, to the last event. Whatever happens, an independent
 * checker sees to it that nothing is lost, doubled or reordered, that nothing of an undone turn is ever seen, that everything has an outcome
 * once faults have ended, and that nothing is left in the end.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as RemotesConfig from "../services/RemotesConfig.ts"
import * as Dices from "./simulation/dice.ts"
import type { Fault, FaultKind } from "./simulation/kinds.ts"
import { allFaultKinds } from "./simulation/kinds.ts"
import type { Program } from "./simulation/life.ts"
import type { Kernels, Plan, Result } from "./simulation/run.ts"
import { run as play } from "./simulation/run.ts"
import { draw } from "./simulation/script.ts"
import { shrink } from "./simulation/shrink.ts"
import { describeFault, timeline } from "./simulation/timeline.ts"

export type { Fault, FaultKind } from "./simulation/kinds.ts"
export { allFaultKinds, faultKinds, isFaultKind } from "./simulation/kinds.ts"
export type { Life, Program } from "./simulation/life.ts"
export type { Kernels } from "./simulation/run.ts"

/**
 * What is simulated. Everything has a default: two or three kernels that talk with each other, every kind of fault, and options
 * that the seed draws.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The kernels by name: the code of each, which is started anew with each of its lives. */
  readonly kernels?: Readonly<Record<string, Program>>
  /** What kernels are made to do while things go wrong; what goes on beyond `seconds` is waited for. */
  readonly workload?: (kernels: Kernels) => Effect.Effect<unknown, unknown>
  /** Looks at the kernels when everything has an outcome; gives what is wrong with them, in words. */
  readonly check?: (kernels: Kernels) => ReadonlyArray<string>
  /** Which kinds of faults there are, or with which weight each is drawn; or the very faults. */
  readonly faults?:
    | ReadonlyArray<FaultKind>
    | Partial<Record<FaultKind, number>>
    | { readonly script: ReadonlyArray<Fault> }
  /** How many seconds there are between two faults, on average (default 12). */
  readonly every?: number
  /** For how many seconds of virtual time things go wrong (default 240). */
  readonly seconds?: number
  /** Within how many seconds of virtual time everything must have an outcome once faults have ended (default 120). */
  readonly settleWithin?: number
  /** The options of the kernels. */
  readonly config?: typeof RemotesConfig.Options.Encoded
}

/**
 * What came of a seed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly seed: number
  /** What was wrong; the empty list if nothing. */
  readonly wrong: ReadonlyArray<string>
  /** A number for everything that happened: the same for the same run. */
  readonly hash: string
  readonly faults: ReadonlyArray<Fault>
  /** How often a fault of each kind had an effect. */
  readonly happened: ReadonlyMap<FaultKind, number>
  /** How many messages kernels received and committed. */
  readonly messages: number
  /** How often a kernel died. */
  readonly deaths: number
  /** How much virtual time went by, in milliseconds. */
  readonly virtualTime: number
}

/**
 * Something was wrong. The message has the seed, the fewest faults that it takes, and what happened in that shortest run.
 *
 * @since 0.1.0
 * @category errors
 */
export class SimulationFailed extends Data.TaggedError("SimulationFailed")<{
  readonly seed: number
  readonly wrong: ReadonlyArray<string>
  /** The faults that it takes; with `faults: { script }` and the seed the run repeats. */
  readonly faults: ReadonlyArray<Fault>
  readonly timeline: string
}> {
  override get message() {
    const { faults, seed, timeline, wrong } = this
    const needed = faults.length === 0 ? ["  none"] : faults.map(describeFault)
    return [`seed ${seed}:`, ...wrong, "faults that it takes:", ...needed, "what happened:", timeline].join("\n")
  }
}

/** A store that goes back in time makes the checker forget, so these are rarer than faults after which everything must be there. */
const rare: Partial<Record<FaultKind, number>> = {
  rollback: 0.2,
  unsynced: 0.2,
  wipe: 0.2,
  giveUp: 0.3,
  flood: 0.5,
  rateLimit: 0.5
}

const weightsOf = (faults: Exclude<Options["faults"], { readonly script: ReadonlyArray<Fault> }>) => {
  const weights: Array<readonly [FaultKind, number]> = []
  const isAny = faults === undefined
  const given: Partial<Record<FaultKind, number>> = isAny || isList(faults) ? {} : faults
  for (const kind of allFaultKinds) {
    const listed = isAny || (isList(faults) && faults.includes(kind))
    const weight = listed ? (isAny ? (rare[kind] ?? 1) : 1) : given[kind]
    if (weight !== undefined && weight > 0) weights.push([kind, weight])
  }
  return weights
}

const isList = (faults: unknown): faults is ReadonlyArray<FaultKind> => Array.isArray(faults)

const configOf = (seed: number): typeof RemotesConfig.Options.Encoded => {
  const dice = Dices.make(seed, "config")
  return {
    ...dice.oneOf([{}, {}, { maxPendingMessages: 15 }, { maxPendingBytes: 4096 }]),
    ...dice.oneOf([{}, {}, { streamInactivityTimeout: "5 seconds" }]),
    ...dice.oneOf([{}, {}, { ackTimeout: "2 seconds", handshakeTimeout: "1 second" }]),
    ...dice.oneOf([
      {},
      {},
      { maxConnectionAttemptsPerMinute: 600 },
      { maxMessagesPerSecond: 20 },
      { maxInboundMessagesPerSecond: 20 }
    ])
  }
}

const castOf = (seed: number): Plan["kernels"] =>
  new Map((seed % 3 === 0 ? ["alice", "bob", "carol"] : ["alice", "bob"]).map((name) => [name, undefined]))

/** Some can be dialed themselves, others are behind a relay or two. */
const relaysOf = (seed: number, names: ReadonlyArray<string>): Plan["relays"] => {
  const dice = Dices.make(seed, "relays")
  const relays = names.map((name) => [name, dice.oneOf([[], ["near"], ["near", "far"]])] as const)
  return new Map(relays.filter(([, behind]) => behind.length > 0))
}

const hasScript = (faults: Options["faults"]): faults is { readonly script: ReadonlyArray<Fault> } =>
  faults !== undefined && "script" in faults

const planOf = (seed: number, options: Options): Plan => {
  const { check, config, every = 12, faults, seconds = 240, settleWithin = 120, workload } = options
  const kernels = options.kernels === undefined ? castOf(seed) : new Map(Object.entries(options.kernels))
  return {
    seed,
    kernels,
    workload,
    check,
    config: config ?? configOf(seed),
    relays: relaysOf(seed, [...kernels.keys()]),
    baseSpeaker: options.kernels === undefined && seed % 3 === 1 ? "zoe" : undefined,
    faults: hasScript(faults)
      ? faults.script
      : draw({ seed, kernels: [...kernels.keys()], seconds, weights: weightsOf(faults), every }),
    seconds,
    settleWithin,
    keepsTrace: false
  }
}

const reportOf = (
  { faults, seed }: Plan,
  { deaths, happened, hash, messages, virtualTime, wrong }: Result
): Report => ({
  seed,
  wrong,
  hash,
  faults,
  happened,
  messages,
  deaths,
  virtualTime
})

/**
 * Runs one seed, and says what came of it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run = (seed: number, options: Options = {}): Effect.Effect<Report> =>
  Effect.suspend(() => {
    const plan = planOf(seed, options)
    return Effect.map(play(plan), (result) => reportOf(plan, result))
  })

/**
 * Finds the fewest faults with which a seed that fails still fails, in at most `tries` runs, and tells the story of that run.
 *
 * @since 0.1.0
 * @category combinators
 */
export const explain = (seed: number, options: Options = {}, tries = 100): Effect.Effect<SimulationFailed> =>
  Effect.gen(function* () {
    const plan = planOf(seed, options)
    const fails = (faults: ReadonlyArray<Fault>) =>
      Effect.map(play({ ...plan, faults }), ({ wrong }) => wrong.length > 0)
    const faults = yield* shrink(plan.faults, fails, tries)
    const { events, wrong } = yield* play({ ...plan, faults, keepsTrace: true })
    return new SimulationFailed({ seed, wrong, faults, timeline: timeline(events) })
  })

/**
 * Runs seeds, and fails with the story of the first one that goes wrong.
 *
 * @since 0.1.0
 * @category combinators
 */
export const check = (
  options: Options & { readonly seeds?: number; readonly from?: number } = {}
): Effect.Effect<ReadonlyArray<Report>, SimulationFailed> =>
  Effect.gen(function* () {
    const { from = 1, seeds = 20 } = options
    const reports: Array<Report> = []
    for (let seed = from; seed < from + seeds; seed += 1) {
      const report = yield* run(seed, options)
      if (report.wrong.length > 0) return yield* yield* explain(seed, options)
      reports.push(report)
    }
    return reports
  })

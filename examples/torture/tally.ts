/**
 * What is known of a run while it goes on: pure bookkeeping over what the kernels report and what befalls them.
 */
import type { Manners, Relation, Report, Standing } from "./lines.ts"
import { lastTaken } from "./manners.ts"
import type { Disturbance, Fall } from "./plan.ts"

/**
 * What a run counts of all that goes wrong in it.
 */
export type Mishap = Fall["what"] | Disturbance["what"]

/**
 * The state of a run. Kernels are known by the ids of their peers.
 */
export interface Tally {
  readonly phase: "storm" | "calm"
  readonly standings: ReadonlyMap<string, typeof Standing.Type>
  readonly mishaps: Readonly<Record<Mishap, number>>
  /** How often links opened and what was transmitted again, in the lives that have ended. */
  readonly openedBefore: number
  readonly resentBefore: number
  /** The sum of what was received. */
  readonly received: number
  /** When the run began, and when it last got on, in milliseconds. */
  readonly startedAt: number
  readonly progressedAt: number
}

/**
 * A run that begins now.
 */
export const start = (now: number): Tally => ({
  phase: "storm",
  standings: new Map(),
  mishaps: { Kill: 0, Stop: 0, Freeze: 0, Cut: 0, Reset: 0, Truncate: 0, Stall: 0, Delay: 0 },
  openedBefore: 0,
  resentBefore: 0,
  received: 0,
  startedAt: now,
  progressedAt: now
})

const relations = (tally: Tally): ReadonlyArray<typeof Relation.Type> =>
  [...tally.standings.values()].flatMap((standing) => standing.relations)

const sum = (tally: Tally, of: (relation: typeof Relation.Type) => number): number =>
  relations(tally).reduce((total, relation) => total + of(relation), 0)

/** How many messages were sent, and how many of them wait. */
export const sent = (tally: Tally): number => sum(tally, (it) => it.sent)
/** How many messages wait to be acknowledged. */
export const pending = (tally: Tally): number => sum(tally, (it) => it.pending)
/** How often links opened, in all lives. */
export const opened = (tally: Tally): number => tally.openedBefore + sum(tally, (it) => it.opened)
/** How often a message was transmitted again, in all lives. */
export const resent = (tally: Tally): number => tally.resentBefore + sum(tally, (it) => it.resent)

/**
 * Adds what a kernel reports. Only counts that rise, or what waits and gets less, are progress; a link that opens is none.
 */
export const report = (tally: Tally, kernel: string, said: Report, now: number): Tally => {
  if (said._tag === "Serving") return tally
  const next = { ...tally, standings: new Map(tally.standings).set(kernel, said) }
  const received = sum(next, (it) => it.received)
  const isProgress = received > tally.received || sent(next) > sent(tally) || pending(next) < pending(tally)
  return { ...next, received: Math.max(received, tally.received), progressedAt: isProgress ? now : tally.progressedAt }
}

/**
 * Adds that something went wrong, which counts as progress because time must be given to recover from it.
 */
export const befall = (tally: Tally, what: Mishap, now: number): Tally => ({
  ...tally,
  mishaps: { ...tally.mishaps, [what]: tally.mishaps[what] + 1 },
  progressedAt: now
})

/**
 * A life of the kernel has ended, and with it what that life had counted.
 */
export const end = (tally: Tally, kernel: string): Tally => {
  const standing = tally.standings.get(kernel)
  if (standing === undefined) return tally
  const before = { opened: opened(tally), resent: resent(tally) }
  const rest = standing.relations.map((it) => ({ ...it, link: "none", opened: 0, resent: 0 }))
  // What it was last allowed is not what its next life is.
  const gone = { ...standing, upTo: Infinity, relations: rest }
  const next = { ...tally, standings: new Map(tally.standings).set(kernel, gone) }
  return {
    ...next,
    openedBefore: tally.openedBefore + before.opened - opened(next),
    resentBefore: tally.resentBefore + before.resent - resent(next)
  }
}

/**
 * Whether every kernel has stopped to send by itself, has everything acknowledged, and has what the others say they sent.
 */
export const isComplete = (tally: Tally, kernels: number, manners: typeof Manners.Type): boolean => {
  const { standings } = tally
  const has = (kernel: string, peer: string, sent: number) =>
    standings.get(kernel)?.relations.some((it) => it.peer === peer && it.received >= lastTaken(manners, sent))
  return (
    standings.size === kernels &&
    [...standings].every(
      ([kernel, { relations, upTo }]) =>
        upTo === 0 &&
        relations.length === kernels - 1 &&
        relations.every(({ peer, pending, sent }) => pending === 0 && has(peer, kernel, sent) === true)
    )
  )
}

/**
 * Whether a kernel was killed at all. A run in which none was shows nothing, however clean it is.
 */
export const wasOrdeal = ({ mishaps }: Tally): boolean => mishaps.Kill > 0

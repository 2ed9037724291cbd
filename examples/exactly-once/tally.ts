/**
 * What is known of a run while it goes on: pure bookkeeping over what the kernels report and what befalls them.
 */
import type { Disruption } from "./plan.ts"
import type { Report } from "./lines.ts"

/**
 * The state of a run.
 */
export interface Tally {
  readonly sent: number
  readonly acknowledged: number
  readonly received: number
  /** What alice's link is doing, in one word. */
  readonly link: string
  /** How often the link opened, and what was transmitted again: in all lives of alice, and of those in her present one. */
  readonly opened: number
  readonly openedNow: number
  readonly resent: number
  readonly resentNow: number
  readonly kills: number
  readonly resets: number
  /** When the run began, and when it last got on, in milliseconds. */
  readonly startedAt: number
  readonly progressedAt: number
}

/**
 * A run that begins now.
 */
export const start = (now: number): Tally => ({
  sent: 0,
  acknowledged: 0,
  received: 0,
  link: "none",
  opened: 0,
  openedNow: 0,
  resent: 0,
  resentNow: 0,
  kills: 0,
  resets: 0,
  startedAt: now,
  progressedAt: now
})

/**
 * Adds a report. Only counts that rise are progress; a link that opens and closes is none.
 */
export const report = (tally: Tally, said: Report, now: number): Tally => {
  switch (said._tag) {
    case "Serving":
      return tally
    case "Received":
      return {
        ...tally,
        received: said.received,
        progressedAt: said.received > tally.received ? now : tally.progressedAt
      }
    case "Sent": {
      const risen = said.sent > tally.sent || said.acknowledged > tally.acknowledged
      return {
        ...tally,
        sent: said.sent,
        acknowledged: Math.max(tally.acknowledged, said.acknowledged),
        link: said.link,
        opened: tally.opened - tally.openedNow + said.opened,
        openedNow: said.opened,
        resent: tally.resent - tally.resentNow + said.resent,
        resentNow: said.resent,
        progressedAt: risen ? now : tally.progressedAt
      }
    }
  }
}

/**
 * Adds a disruption, which counts as progress because time must be given to recover from it.
 */
export const disrupt = (tally: Tally, what: Disruption["what"], now: number): Tally => {
  switch (what) {
    case "Reset":
      return { ...tally, resets: tally.resets + 1, progressedAt: now }
    case "KillBob":
      return { ...tally, kills: tally.kills + 1, progressedAt: now }
    case "KillAlice":
      return { ...tally, kills: tally.kills + 1, link: "none", openedNow: 0, resentNow: 0, progressedAt: now }
  }
}

/**
 * Whether alice has everything acknowledged and bob has said that he has it.
 */
export const isComplete = (tally: Tally, messages: number): boolean =>
  tally.acknowledged >= messages && tally.received >= messages

/**
 * What a person sees of a run.
 */
import type { Verdict } from "./check.ts"
import type { Settings } from "./settings.ts"
import type { Tally } from "./tally.ts"

const count = (value: number): string => value.toLocaleString("en-US")

/**
 * One line about a run that goes on; `rate` is in messages a second.
 */
export const progressLine = (tally: Tally, rate: number): string =>
  [
    `sent ${count(tally.sent)}`,
    `acknowledged ${count(tally.acknowledged)}`,
    `received ${count(tally.received)}`,
    `link ${tally.link}`,
    `${count(Math.round(rate))}/s`,
    `kills ${tally.kills}`,
    `resets ${tally.resets}`
  ].join(" · ")

/**
 * What is to be said of a run that got stuck.
 */
export const stallSentence = (tally: Tally, stalledFor: string): string =>
  `Nothing moved for ${stalledFor}: alice had sent ${count(tally.sent)} messages and had ${count(
    tally.acknowledged
  )} acknowledged, bob had received ${count(tally.received)}, and alice's link was: ${tally.link}.`

/**
 * The figures of a run, one a line.
 */
export const table = (settings: Settings, tally: Tally, verdict: Verdict, seconds: number): string => {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["sent", count(verdict.sent)],
    ["received once", count(verdict.receivedOnce)],
    ["missing", count(verdict.missing)],
    ["doubled", count(verdict.doubled)],
    ["out of order", count(verdict.outOfOrder)],
    ["never sent", count(verdict.neverSent)],
    ["kills", count(tally.kills)],
    ["resets", count(tally.resets)],
    ["reconnects", count(Math.max(0, tally.opened - 1))],
    ["resent", count(tally.resent)],
    ["seconds", seconds.toFixed(1)],
    ["messages per second", count(Math.round(settings.messages / seconds))]
  ]
  const left = Math.max(...rows.map(([name]) => name.length))
  const right = Math.max(...rows.map(([, value]) => value.length))
  return rows.map(([name, value]) => `  ${name.padEnd(left)}  ${value.padStart(right)}`).join("\n")
}

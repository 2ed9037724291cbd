/**
 * What a person sees of a run.
 */
import type { Verdict } from "./check.ts"
import * as Tally from "./tally.ts"

const count = (value: number): string => value.toLocaleString("en-US")

/**
 * One line about a run that goes on; `rate` is in messages a second.
 */
export const progressLine = (tally: Tally.Tally, rate: number): string => {
  const { Freeze, Kill, Stop, ...disturbances } = tally.mishaps
  return [
    tally.phase,
    `sent ${count(Tally.sent(tally))}`,
    `received ${count(tally.received)}`,
    `pending ${count(Tally.pending(tally))}`,
    `${count(Math.round(rate))}/s`,
    `kills ${Kill}`,
    `stops ${Stop}`,
    `freezes ${Freeze}`,
    `disturbances ${Object.values(disturbances).reduce((sum, each) => sum + each, 0)}`
  ].join(" · ")
}

/**
 * What is to be said of a run that got stuck; `nameOf` knows the kernels.
 */
export const stallSentence = (tally: Tally.Tally, stalledFor: string, nameOf: (peerId: string) => string): string => {
  const ways = [...tally.standings].flatMap(([kernel, { relations }]) =>
    relations.map(
      ({ link, peer, pending, received, sent }) =>
        `${nameOf(kernel)} to ${nameOf(peer)}: ${link}, sent ${sent}, pending ${pending}, received ${received}`
    )
  )
  return `Nothing moved for ${stalledFor} (${ways.join("; ")}).`
}

/**
 * The figures of a run, one a line.
 */
export const table = (tally: Tally.Tally, verdict: Verdict, seconds: number): string => {
  const { mishaps } = tally
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["sent", count(verdict.sent)],
    ["received once", count(verdict.receivedOnce)],
    ["refused and reported", count(verdict.refused)],
    ["missing", count(verdict.missing)],
    ["doubled", count(verdict.doubled)],
    ["out of order", count(verdict.outOfOrder)],
    ["uncalled for", count(verdict.uncalledFor)],
    ["misreported", count(verdict.misreported)],
    ["still waiting", count(verdict.waiting)],
    ["conversations reset", count(verdict.resets)],
    ["URLs redeemed", count(verdict.redeemed)],
    ["URLs redeemed late", count(verdict.redeemedLate)],
    ["URLs redeemed wrongly", count(verdict.redeemedWrong)],
    ["files damaged", count(verdict.damaged)],
    ["kills", count(mishaps.Kill)],
    ["stops", count(mishaps.Stop)],
    ["freezes", count(mishaps.Freeze)],
    ["cuts", count(mishaps.Cut)],
    ["resets", count(mishaps.Reset)],
    ["truncations", count(mishaps.Truncate)],
    ["stalls", count(mishaps.Stall)],
    ["delays", count(mishaps.Delay)],
    ["links opened", count(Tally.opened(tally))],
    ["resent", count(Tally.resent(tally))],
    ["seconds", seconds.toFixed(1)],
    ["messages per second", count(Math.round(verdict.sent / seconds))]
  ]
  const left = Math.max(...rows.map(([name]) => name.length))
  const right = Math.max(...rows.map(([, value]) => value.length))
  return rows.map(([name, value]) => `  ${name.padEnd(left)}  ${value.padStart(right)}`).join("\n")
}

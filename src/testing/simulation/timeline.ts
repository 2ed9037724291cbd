import type { Fault } from "./kinds.ts"
import type { TraceEvent } from "./trace.ts"

const seconds = (millis: number): string => `${(millis / 1000).toFixed(3).padStart(9)} s`

/**
 * A fault in one line.
 *
 * @internal
 */
export const describeFault = ({ at, kernel, kind, lasts, other, strength }: Fault): string =>
  `${seconds(at)}  ${kind} ${kernel} ${other}, ${lasts} ms, strength ${strength}`

/** What is left out of a long story, from its middle. */
const longest = 400

/**
 * A run as a person reads it.
 *
 * @internal
 */
export const timeline = (events: ReadonlyArray<TraceEvent>): string => {
  const lines = events.map(({ at, what, who }) => `${seconds(at)}  ${who.padEnd(8)} ${what}`)
  if (lines.length <= longest) return lines.join("\n")
  const gone = lines.length - longest
  return [...lines.slice(0, longest / 4), `… ${gone} more …`, ...lines.slice(-longest * 0.75)].join("\n")
}

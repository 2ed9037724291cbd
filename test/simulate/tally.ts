/**
 * What a hunt came to, by kind of fault.
 */

/** What came of one seed, as it is told between workers. */
export interface Outcome {
  readonly seed: number
  readonly wrong: ReadonlyArray<string>
  readonly happened: ReadonlyArray<readonly [kind: string, times: number]>
  readonly messages: number
  readonly virtualTime: number
  /** How long it took, in milliseconds of the worker's time. */
  readonly took: number
}

export interface Row {
  runs: number
  times: number
  messages: number
  anomalies: number
  virtualTime: number
  took: number
}

export interface Tally {
  readonly total: Row
  readonly kinds: Map<string, Row>
  readonly failed: Array<number>
}

const emptyRow = (): Row => ({ runs: 0, times: 0, messages: 0, anomalies: 0, virtualTime: 0, took: 0 })

export const empty = (kinds: ReadonlyArray<string>): Tally => ({
  total: emptyRow(),
  kinds: new Map(kinds.map((kind) => [kind, emptyRow()])),
  failed: []
})

const count = (row: Row, outcome: Outcome, times: number): void => {
  row.runs += 1
  row.times += times
  row.messages += outcome.messages
  row.anomalies += outcome.wrong.length
  row.virtualTime += outcome.virtualTime
  row.took += outcome.took
}

/** Counts an outcome in the row of every kind of fault that happened in it. */
export const add = (tally: Tally, outcome: Outcome): void => {
  count(
    tally.total,
    outcome,
    outcome.happened.reduce((sum, [, times]) => sum + times, 0)
  )
  for (const [kind, times] of outcome.happened) {
    const row = tally.kinds.get(kind) ?? emptyRow()
    tally.kinds.set(kind, row)
    count(row, outcome, times)
  }
  if (outcome.wrong.length > 0) tally.failed.push(outcome.seed)
}

const hours = (millis: number): string => `${(millis / 3_600_000).toFixed(1)} h`
const speed = ({ took, virtualTime }: Row): string => (took === 0 ? "–" : `${Math.round(virtualTime / took)} ×`)

/** Of all seeds together, several workers at once make more of a second than one. */
const lineOf = (name: string, row: Row): ReadonlyArray<string> => [
  name,
  `${row.runs}`,
  `${row.times}`,
  `${row.messages}`,
  `${row.anomalies}`,
  hours(row.virtualTime),
  speed(row)
]

const heads = ["fault", "runs", "faults", "messages", "anomalies", "virtual time", "speed"]

/** As a table. A run counts in the row of every kind that happened in it. */
export const table = ({ kinds, total }: Tally): string => {
  const lines = [heads, ...[...kinds].map(([kind, row]) => lineOf(kind, row)), lineOf("all together", total)]
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
    )
    .join("\n")
}

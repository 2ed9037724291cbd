/**
 * Since when the oldest pending message waits, in bounded memory however many are pending.
 *
 * A mark is made when messages are accepted, unless the last one is younger than a second or a 32nd of the time that the
 * marks cover; when there are too many, those are left out that are as close to their neighbours. So the age is never told
 * too low, and too high by a second, or a sixteenth of the longest time for which something has been pending.
 *
 * @since 0.1.0
 */

/**
 * Messages from number `from` on were accepted at `at` (ms since the Unix epoch) or later, up to the next mark.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mark {
  readonly from: number
  readonly at: number
}

/**
 * Marks in rising order.
 *
 * @since 0.1.0
 * @category models
 */
export type PendingAge = ReadonlyArray<Mark>

/**
 * How many marks are kept.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxMarks = 64

const leastGap = 1000

/**
 * Nothing is pending.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: PendingAge = []

/** Where the mark of a message is; -1 if there is none. */
const indexOf = (marks: PendingAge, seq: number): number => marks.findLastIndex(({ from }) => from <= seq)

/** How close to another a mark may be, where marks go back to `first`. */
const gapFor = (first: Mark, now: number): number => Math.max(leastGap, ((now - first.at) * 2) / maxMarks)

const thin = (marks: PendingAge, gap: number): PendingAge => {
  const kept: Array<Mark> = []
  for (const mark of marks) {
    const last = kept.at(-1)
    if (last === undefined || mark.at - last.at >= gap) kept.push(mark)
  }
  return kept
}

/**
 * Messages from number `from` on are accepted now; `lowest` is the lowest number that is pending.
 *
 * @since 0.1.0
 * @category combinators
 */
export const accept = (
  marks: PendingAge,
  { from, lowest, now }: { readonly from: number; readonly lowest: number; readonly now: number }
): PendingAge => {
  const last = marks.at(-1)
  if (last !== undefined && now - last.at < leastGap) return marks
  const pending = lowest < from ? marks.slice(Math.max(0, indexOf(marks, lowest))) : []
  const mark = { from, at: now }
  const gap = gapFor(pending[0] ?? mark, now)
  if (last !== undefined && pending.length > 0 && now - last.at < gap) return pending
  return [...(pending.length < maxMarks ? pending : thin(pending, gap)), mark]
}

/**
 * Since when the message with the lowest pending number waits; undefined if that is not known.
 *
 * @since 0.1.0
 * @category getters
 */
export const oldest = (marks: PendingAge, lowest: number): number | undefined => marks[indexOf(marks, lowest)]?.at

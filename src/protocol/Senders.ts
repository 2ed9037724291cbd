/**
 * Which process first transmitted which messages, so that two messages with the same number can be told apart.
 *
 * @since 0.1.0
 */

/**
 * That the messages from number `from` on, up to the next one that is named, were first transmitted by that process. No two
 * messages have the same number and the same process: who puts an older copy of a store back begins with a new process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sender {
  readonly from: number
  readonly process: string
}

/**
 * How many senders are named at most. There is a further one only where a process ended before anything that it transmitted was
 * acknowledged; of what is older than the last 16 the sender is not known.
 *
 * @since 0.1.0
 * @category constants
 */
export const max = 16

/**
 * Who first transmitted that number; undefined where that is not known.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (senders: ReadonlyArray<Sender>, seq: number): string | undefined =>
  senders.findLast(({ from }) => from <= seq)?.process

/**
 * The senders of the numbers up to `through`, when `process` is about to transmit those above `sent`. Of the numbers below
 * `settled` nobody will ask any more.
 *
 * @since 0.1.0
 * @category combinators
 */
export const extend = (
  senders: ReadonlyArray<Sender>,
  process: string,
  { sent, settled, through }: { readonly settled: number; readonly sent: number; readonly through: number }
): ReadonlyArray<Sender> => {
  const last = senders.at(-1)
  const isLast = through <= sent || (last?.process === process && last.from <= sent)
  if (isLast && (senders[1]?.from ?? Infinity) > settled && (last?.from ?? 0) <= sent) return senders
  const kept = senders.filter(({ from }, index) => from <= sent && (senders[index + 1]?.from ?? Infinity) > settled)
  const changes = through > sent && kept.at(-1)?.process !== process
  return (changes ? [...kept, { from: sent + 1, process }] : kept).slice(-max)
}

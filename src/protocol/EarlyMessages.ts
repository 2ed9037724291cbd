/**
 * What a peer of the base profile sent ahead of something that is missing.
 *
 * Such a peer writes out of turn at times and sends again what is not acknowledged, so what is missing mostly comes. But it also
 * gives messages up without a word. So what came early is kept, what is missing is waited for, and only when it has not come
 * for long enough it is passed as lost: never in silence, never out of order.
 *
 * @since 0.1.0
 */
import * as ReceiveWindow from "./ReceiveWindow.ts"

/**
 * A message in hand, and the size of its frame in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrived<A> {
  readonly seq: number
  readonly bytes: number
  readonly message: A
}

/**
 * @since 0.1.0
 * @category models
 */
export interface EarlyMessages<A> {
  /** In rising order of their numbers, each once. */
  readonly held: ReadonlyArray<Arrived<A>>
  readonly bytes: number
  /** Since when nothing was taken although something is held (ms of a clock that never goes back); undefined when nothing is. */
  readonly since: number | undefined
}

/**
 * How much is kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly messages: number
  readonly bytes: number
}

/**
 * @since 0.1.0
 * @category constants
 */
export const defaultLimits: Limits = { messages: 256, bytes: 1_048_576 }

/**
 * Nothing is held.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: EarlyMessages<never> = { held: [], bytes: 0, since: undefined }

/**
 * Numbers that a peer gave up, both ends included.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hole {
  readonly from: number
  readonly through: number
}

/**
 * What is to be taken now, in this order, and what is held still.
 *
 * @since 0.1.0
 * @category models
 */
export interface Taking<A> {
  readonly taken: ReadonlyArray<A>
  readonly early: EarlyMessages<A>
}

/** Takes from what is held all that follows `received` without a gap, and lets go of what is not above it. */
const follow = <A>({ held, since }: EarlyMessages<A>, received: number): Taking<A> => {
  const taken: Array<A> = []
  let highest = received
  let count = 0
  for (const { message, seq } of held) {
    if (seq > highest + 1) break
    count += 1
    if (seq <= highest) continue
    highest = seq
    taken.push(message)
  }
  const left = held.slice(count)
  const bytes = left.reduce((sum, { bytes }) => sum + bytes, 0)
  return { taken, early: left.length === 0 ? empty : { held: left, bytes, since } }
}

/** Keeps the lowest numbers there is room for: they are wanted first, and the peer sends the others again. */
const keep = <A>(early: EarlyMessages<A>, arrived: Arrived<A>, limits: Limits): EarlyMessages<A> => {
  const last = early.held.at(-1)
  const full = early.held.length >= limits.messages || early.bytes + arrived.bytes > limits.bytes
  if (last !== undefined && last.seq < arrived.seq && full) return early
  const at = early.held.findIndex(({ seq }) => seq >= arrived.seq)
  if (early.held[at]?.seq === arrived.seq) return early
  const held = [...early.held]
  held.splice(at === -1 ? held.length : at, 0, arrived)
  let bytes = early.bytes + arrived.bytes
  // One is kept however large it is, or what is missing before it could never be passed.
  while (held.length > 1 && (held.length > limits.messages || bytes > limits.bytes)) bytes -= held.pop()?.bytes ?? 0
  return { ...early, held, bytes }
}

/**
 * A message arrived: it is taken, with all that waited only for it; or it was taken before; or it is kept if there is room.
 * `received` is the highest number that was taken, or passed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const arrive = <A>(
  early: EarlyMessages<A>,
  received: number,
  arrived: Arrived<A>,
  limits: Limits = defaultLimits
): Taking<A> & { readonly place: ReceiveWindow.Place } => {
  const place = ReceiveWindow.place(received, arrived.seq)
  switch (place) {
    case "duplicate":
      return { place, taken: [], early }
    case "early":
      return { place, taken: [], early: keep(early, arrived, limits) }
    case "next": {
      const following = follow(early, arrived.seq)
      return { place, taken: [arrived.message, ...following.taken], early: following.early }
    }
  }
}

/**
 * Notes how long something has been missing. The wait begins anew when anything was taken: the peer was told of that, and may
 * count its own time for the next resend from there.
 *
 * @since 0.1.0
 * @category combinators
 */
export const wait = <A>(early: EarlyMessages<A>, now: number, tookAny: boolean): EarlyMessages<A> =>
  early.held.length > 0 && (tookAny || early.since === undefined) ? { ...early, since: now } : early

/**
 * Passes what is missing next if nothing was taken for `timeout` ms: gives the hole, and what can be taken after it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const pass = <A>(
  early: EarlyMessages<A>,
  received: number,
  now: number,
  timeout: number
): (Taking<A> & { readonly hole: Hole }) | undefined => {
  const [first] = early.held
  if (first === undefined || early.since === undefined || now < early.since + timeout) return undefined
  const hole = { from: received + 1, through: first.seq - 1 }
  return { hole, ...follow(early, hole.through) }
}

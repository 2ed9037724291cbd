/**
 * Whether the path to a peer that owes an answer is alive: when to ask, and when to give it up.
 *
 * After one retransmission timeout of silence the peer is asked, and again after further 1 and 2 of them; 4 more, and the path is
 * lost: 8 in all, 1.6 s where the timeout is at its floor. Anything that is heard in between starts anew. A stream loses nothing
 * on the way, so that the first answer is the one to the first question, and measures the round trip.
 *
 * @since 0.1.0
 */
import * as RoundTrip from "./RoundTrip.ts"

/**
 * In milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  /** The shortest silence that means something. */
  readonly least: number
  /** The longest silence before the first question, and the longest between it and the end. */
  readonly most: number
}

/**
 * What one channel leaves to the next one of the same link.
 *
 * @since 0.1.0
 * @category models
 */
export interface Experience {
  readonly roundTrip: RoundTrip.RoundTrip
  /** How many times as long as the estimate to wait: grows when a path is given up, which may merely have been slow. */
  readonly caution: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface State extends Experience {
  /** Whether the peer owes an answer. */
  readonly owed: boolean
  /** Since when nothing was heard while an answer is owed. */
  readonly since: number
  /** How many bytes were written since then; they are on the way before any question. */
  readonly bytes: number
  /** How many questions were asked since then. */
  readonly asked: number
  /** When the oldest question was asked that has no answer yet. */
  readonly askedAt: number | undefined
  /** How many questions in a row were answered with nothing else said: the peer lives, so it is asked less often. */
  readonly calm: number
  /** Whether something else than an answer was heard on this channel. */
  readonly progressed: boolean
}

/**
 * What to do now: nothing until something changes, wait, ask the peer, or give the path up.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict =
  | { readonly _tag: "Rest" }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Ask" }
  | { readonly _tag: "Lost"; readonly silence: number }

/** How often a peer is asked before the path is given up. */
const questions = 3

/** What a slow path moves in a millisecond: how much longer an answer behind so many bytes may take. */
const bytesPerMilli = 256

const maxCaution = 32

/**
 * @since 0.1.0
 * @category constructors
 */
export const inexperienced: Experience = { roundTrip: RoundTrip.unmeasured, caution: 1 }

/**
 * A channel was opened. `sample` is the round trip of its handshake, if it was measured.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = ({ caution, roundTrip }: Experience, sample: number | undefined): State => ({
  roundTrip: sample === undefined ? roundTrip : RoundTrip.measure(roundTrip, sample),
  caution,
  owed: false,
  since: 0,
  bytes: 0,
  asked: 0,
  askedAt: undefined,
  calm: 0,
  progressed: false
})

/**
 * The peer owes an answer, or does so no longer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const owe = (state: State, owed: boolean, now: number): State => {
  if (owed === state.owed) return state
  return owed ? { ...state, owed, since: now, asked: 0, calm: 0 } : { ...state, owed, bytes: 0 }
}

/**
 * @since 0.1.0
 * @category combinators
 */
export const wrote = (state: State, bytes: number): State => ({ ...state, bytes: state.bytes + bytes })

/**
 * Frames were heard: whether an answer was among them, and whether anything else was.
 *
 * @since 0.1.0
 * @category combinators
 */
export const heard = (
  state: State,
  { answer, other }: { readonly answer: boolean; readonly other: boolean },
  now: number
): State => {
  const { askedAt, owed, roundTrip, since } = state
  const first = roundTrip.smoothed === undefined && other && owed && state.asked === 0
  const sample = answer && askedAt !== undefined ? now - askedAt : first ? now - since : undefined
  return {
    ...state,
    roundTrip: sample === undefined ? roundTrip : RoundTrip.measure(roundTrip, sample),
    caution: other && !state.progressed ? Math.max(1, state.caution / 2) : state.caution,
    progressed: state.progressed || other,
    since: now,
    bytes: 0,
    asked: 0,
    askedAt: answer ? undefined : askedAt,
    calm: other ? 0 : answer && state.asked > 0 ? state.calm + 1 : state.calm
  }
}

const timeoutOf = ({ least, most }: Settings, { caution, roundTrip }: State): number =>
  Math.min(most, caution * RoundTrip.timeout(roundTrip, least, most))

const plan = (settings: Settings, state: State) => {
  const timeout = timeoutOf(settings, state)
  const firstAt = state.since + Math.min(settings.most, timeout * 2 ** Math.min(state.calm, 30))
  const lostAt =
    firstAt + Math.min(settings.most, (2 ** questions - 1) * timeout + Math.floor(state.bytes / bytesPerMilli))
  const askAt = state.asked < questions ? firstAt + (2 ** state.asked - 1) * timeout : Infinity
  return { timeout, lostAt, askAt, dueAt: Math.min(lostAt, askAt) }
}

/**
 * When to look again; infinity if nothing is owed.
 *
 * @since 0.1.0
 * @category getters
 */
export const dueAt = (settings: Settings, state: State): number => (state.owed ? plan(settings, state).dueAt : Infinity)

/**
 * Decides what to do now. Who looks late because its own process stood still has not listened meanwhile either: it listens for
 * one more timeout before it gives the path up.
 *
 * @since 0.1.0
 * @category combinators
 */
export const look = (settings: Settings, state: State, now: number): readonly [State, Verdict] => {
  if (!state.owed) return [state, { _tag: "Rest" }]
  const { askAt, dueAt, lostAt, timeout } = plan(settings, state)
  if (now < dueAt) return [state, { _tag: "Wait", millis: Math.ceil(dueAt - now) }]
  if (now < lostAt && askAt <= now) {
    return [{ ...state, asked: state.asked + 1, askedAt: state.askedAt ?? now }, { _tag: "Ask" }]
  }
  const late = now - lostAt
  if (late < settings.least) return [state, { _tag: "Lost", silence: now - state.since }]
  return [
    { ...state, since: state.since + late + timeout },
    { _tag: "Wait", millis: Math.ceil(timeout) }
  ]
}

/**
 * What is left to the next channel after one that was given up for its silence.
 *
 * @since 0.1.0
 * @category combinators
 */
export const afterLoss = ({ caution, roundTrip }: Experience): Experience => ({
  roundTrip,
  caution: Math.min(maxCaution, 2 * caution)
})

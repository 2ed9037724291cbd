/**
 * What a link to a peer does next: state × event × now → state & commands.
 *
 * Everything that takes time (a dial with its handshake, an answer to the peer's, a channel, a wait) has a `token`; what
 * comes from one that is no longer current changes nothing.
 *
 * @since 0.1.0
 */
import type { LinkError } from "../services/Transport.ts"
import * as Backoff from "./Backoff.ts"
import * as FailurePattern from "./FailurePattern.ts"
import type { ChannelName, Hello } from "./Handshake.ts"
import * as Rate from "./Rate.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Phase =
  /** `error` says why the link rests, if something failed. */
  | { readonly _tag: "Idle"; readonly error: LinkError | undefined }
  | { readonly _tag: "Dialing"; readonly token: number; readonly name: ChannelName }
  | { readonly _tag: "Greeting"; readonly token: number; readonly name: ChannelName }
  /** `name` is undefined for a peer of the base profile, here and in `Open`. */
  | { readonly _tag: "Answering"; readonly token: number; readonly name: ChannelName | undefined }
  | { readonly _tag: "Open"; readonly token: number; readonly name: ChannelName | undefined; readonly since: number }
  | { readonly _tag: "BackingOff"; readonly token: number; readonly retryAt: number; readonly error: LinkError }
  | { readonly _tag: "Closed" }

/**
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly phase: Phase
  /** Whether this side wants a channel; a peer's contact alone never makes it dial. */
  readonly wanted: boolean
  /** The last token given out. */
  readonly tokens: number
  /** The number of this process's last dial to the peer. */
  readonly dials: number
  /** How often the peer was dialed lately. */
  readonly dialed: Rate.State
  /** Attempts that failed and channels that were lost since the peer last proved to be alive. */
  readonly failures: number
  readonly pattern: FailurePattern.FailurePattern
  /** The last channel that was established, whoever opened it. */
  readonly established: ChannelName | undefined
  /** The peer's process that spoke last. */
  readonly peerProcess: string | undefined
}

/**
 * What does not change during a link's life.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  /** Names this process. */
  readonly process: string
  /** Whether this side's dial wins when both dial at once: the lower peer id's does. */
  readonly wins: boolean
  readonly backoff: Backoff.Backoff
  /** For a peer that is unreachable in the same way again and again. */
  readonly slowBackoff: Backoff.Backoff
  /** How often the peer is dialed at most; a dial that would be too much waits. */
  readonly dialRate: Rate.Rate
  /** Why a link that was at rest waits before it dials. */
  readonly paced: LinkError
  /** How a channel ends that another one replaces. */
  readonly superseded: LinkError
}

/**
 * What is so at the moment of an event.
 *
 * @since 0.1.0
 * @category models
 */
export interface Moment {
  /** In milliseconds since the Unix epoch. */
  readonly now: number
  /** In milliseconds of a clock that never goes back. */
  readonly monotonic: number
  /** From 0 to below 1. */
  readonly random: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type Event =
  /** Somebody has something to say. */
  | { readonly _tag: "Wanted" }
  /** Something changed that makes it worth to end a wait. */
  | { readonly _tag: "Urged" }
  | { readonly _tag: "Dialed"; readonly token: number }
  | { readonly _tag: "Established"; readonly token: number; readonly hello: Hello }
  /**
   * `hopeless` when trying again cannot help until something changes: no address is known. `undialed` when nothing was
   * dialed after all.
   */
  | {
      readonly _tag: "Failed"
      readonly token: number
      readonly error: LinkError
      readonly code: string
      readonly hopeless: boolean
      readonly undialed: boolean
    }
  /** The peer opened a channel, known to the shell as `incoming`, and said its hello on it. */
  | { readonly _tag: "Hailed"; readonly incoming: number; readonly hello: Hello }
  /** Everything that is known about failures is out of date. */
  | { readonly _tag: "Woken" }
  /** A frame arrived that is no probe: the peer is alive beyond its transport. */
  | { readonly _tag: "Heard"; readonly token: number }
  /** `idle` when the channel ended for want of anything to say. */
  | {
      readonly _tag: "Ended"
      readonly token: number
      readonly error: LinkError
      readonly code: string
      readonly idle: boolean
    }
  | { readonly _tag: "Due"; readonly token: number }
  | { readonly _tag: "Close"; readonly error: LinkError }
  | { readonly _tag: "Reopen" }
  /** Nobody here has to do with the peer any more: if it does not get through by itself, it is not dialed. */
  | { readonly _tag: "Released" }

/**
 * @since 0.1.0
 * @category models
 */
export type Command =
  | { readonly _tag: "Dial"; readonly token: number }
  /** Say hello on the channel that was dialed with this token, and read the answer. */
  | { readonly _tag: "Greet"; readonly token: number; readonly dial: number; readonly after: ChannelName | undefined }
  /** Answer the hello on a channel that the peer opened. */
  | { readonly _tag: "Answer"; readonly token: number; readonly incoming: number }
  | { readonly _tag: "Refuse"; readonly incoming: number; readonly reason: string }
  /** Stop the attempt, answer or wait with this token. */
  | { readonly _tag: "Cancel"; readonly token: number }
  /** Make the channel with this token the link's. */
  | { readonly _tag: "Install"; readonly token: number }
  /** Take the channel with this token out of service; `clean` closes it, otherwise it is aborted. */
  | { readonly _tag: "Retire"; readonly token: number; readonly error: LinkError; readonly clean: boolean }
  | { readonly _tag: "Wait"; readonly token: number; readonly millis: number }

/**
 * @since 0.1.0
 * @category models
 */
export type Step = readonly [State, ReadonlyArray<Command>]

/**
 * @since 0.1.0
 * @category constructors
 */
export const initial: State = {
  phase: { _tag: "Idle", error: undefined },
  wanted: false,
  tokens: 0,
  dials: 0,
  dialed: Rate.empty,
  failures: 0,
  pattern: FailurePattern.empty,
  established: undefined,
  peerProcess: undefined
}

const stay = (state: State): Step => [state, []]

const isCurrent = (state: State, token: number): boolean => "token" in state.phase && state.phase.token === token

const attempt = (
  { dialRate, process }: Settings,
  state: State,
  { monotonic }: Moment,
  commands: ReadonlyArray<Command> = []
): Step => {
  const token = state.tokens + 1
  const dials = state.dials + 1
  // Dials out of turn count as well, but do not put off the ones in turn for ever.
  const dialed = state.dialed.level < 2 * dialRate.max ? Rate.charge(dialRate, state.dialed, monotonic) : state.dialed
  return [
    {
      ...state,
      wanted: true,
      tokens: token,
      dials,
      dialed,
      phase: { _tag: "Dialing", token, name: { process, dial: dials } }
    },
    [...commands, { _tag: "Dial", token }]
  ]
}

const waitFor = (state: State, millis: number, error: LinkError, now: number): Step => {
  const token = state.tokens + 1
  return [
    { ...state, wanted: true, tokens: token, phase: { _tag: "BackingOff", token, retryAt: now + millis, error } },
    [{ _tag: "Wait", token, millis }]
  ]
}

const backOff = (
  settings: Settings,
  state: State,
  failure: { readonly error: LinkError; readonly code: string },
  { monotonic, now, random }: Moment
): Step => {
  const failures = state.failures + 1
  const pattern = FailurePattern.add(state.pattern, failure.code)
  const millis = Math.max(
    Backoff.delay(FailurePattern.isPermanent(pattern) ? settings.slowBackoff : settings.backoff, failures, random),
    Rate.wait(settings.dialRate, state.dialed, monotonic)
  )
  return waitFor({ ...state, failures, pattern }, millis, failure.error, now)
}

/** Somebody has something to say after all: a peer that counted as unreachable is waited for as any other. */
const ease = (settings: Settings, state: State, moment: Moment): Step => {
  const { phase } = state
  if (phase._tag !== "BackingOff" || !FailurePattern.isPermanent(state.pattern)) return stay(state)
  const millis = Math.max(
    Backoff.delay(settings.backoff, state.failures, moment.random),
    Rate.wait(settings.dialRate, state.dialed, moment.monotonic)
  )
  const left = Math.max(0, Math.min(millis, phase.retryAt - moment.now))
  const [next, commands] = waitFor({ ...state, pattern: FailurePattern.empty }, left, phase.error, moment.now)
  return [next, [{ _tag: "Cancel", token: phase.token }, ...commands]]
}

/** While a peer is answered, somebody came to want a channel: if the answer fails, nobody asks again. */
const remember = (state: State): State =>
  state.phase._tag === "Closed" || state.wanted ? state : { ...state, wanted: true }

/** Ends a wait: it is worth to dial now. */
const cutShort = (settings: Settings, state: State, token: number, moment: Moment): Step =>
  attempt(settings, { ...state, failures: 0 }, moment, [{ _tag: "Cancel", token }])

/** Dials as soon as the rate of dials allows it. */
const approach = (settings: Settings, state: State, moment: Moment): Step => {
  const millis = Rate.wait(settings.dialRate, state.dialed, moment.monotonic)
  return millis === 0 ? attempt(settings, state, moment) : waitFor(state, millis, settings.paced, moment.now)
}

const rest = (state: State, error: LinkError): State => ({ ...state, wanted: false, phase: { _tag: "Idle", error } })

const failed = (settings: Settings, state: State, event: Extract<Event, { _tag: "Failed" }>, moment: Moment): Step => {
  if (!isCurrent(state, event.token)) return stay(state)
  const next = event.undialed ? { ...state, dialed: Rate.refund(state.dialed) } : state
  if (!state.wanted) return stay(rest(next, event.error))
  // What is wanted stays so: news of an address is all that is missing.
  return event.hopeless
    ? stay({ ...next, phase: { _tag: "Idle", error: event.error } })
    : backOff(settings, next, event, moment)
}

const sameName = (one: ChannelName | undefined, other: ChannelName | undefined): boolean =>
  one !== undefined && other !== undefined && one.process === other.process && one.dial === other.dial

/** A dial that the peer made before one of its own that is already in use here. */
const isOlder = (theirs: ChannelName, current: ChannelName): boolean =>
  theirs.process === current.process && theirs.dial <= current.dial

const nameOf = ({ extensions }: Hello): ChannelName | undefined =>
  extensions === undefined ? undefined : { process: extensions.process, dial: extensions.dial }

/**
 * Whether to take a channel that the peer opened rather than what there is; the reason, if not.
 */
const objection = (settings: Settings, state: State, hello: Hello): string | undefined => {
  const { extensions } = hello
  const { phase } = state
  if (phase._tag === "Closed") return "closed on purpose"
  if (phase._tag === "Greeting") return settings.wins ? "both sides dialed, and the other dial wins" : undefined
  if ((phase._tag !== "Open" && phase._tag !== "Answering") || phase.name === undefined || extensions === undefined) {
    return undefined
  }
  if (phase.name.process !== settings.process) {
    return isOlder(extensions, phase.name) ? "a newer dial of the same process is in use" : undefined
  }
  // The peer answered on this channel, so a hello that does not know of it was said before.
  return extensions.process === state.peerProcess && !sameName(extensions.after, phase.name)
    ? "said before the channel in use was established"
    : undefined
}

/** What has to stop when another channel takes over. */
const supersede = (phase: Phase, error: LinkError): ReadonlyArray<Command> => {
  switch (phase._tag) {
    case "Idle":
    case "Closed":
      return []
    case "Open":
      return [{ _tag: "Retire", token: phase.token, error, clean: true }]
    default:
      return [{ _tag: "Cancel", token: phase.token }]
  }
}

const hailed = (settings: Settings, state: State, event: Extract<Event, { _tag: "Hailed" }>): Step => {
  const reason = objection(settings, state, event.hello)
  if (reason !== undefined) return [state, [{ _tag: "Refuse", incoming: event.incoming, reason }]]
  const token = state.tokens + 1
  return [
    { ...state, tokens: token, phase: { _tag: "Answering", token, name: nameOf(event.hello) } },
    [...supersede(state.phase, settings.superseded), { _tag: "Answer", token, incoming: event.incoming }]
  ]
}

const dialed = (state: State, token: number): Step => {
  const { phase } = state
  return phase._tag === "Dialing" && phase.token === token
    ? [
        { ...state, phase: { ...phase, _tag: "Greeting" } },
        [{ _tag: "Greet", token, dial: phase.name.dial, after: state.established }]
      ]
    : stay(state)
}

const established = (state: State, { hello, token }: Extract<Event, { _tag: "Established" }>, now: number): Step => {
  const { phase } = state
  if ((phase._tag !== "Greeting" && phase._tag !== "Answering") || phase.token !== token) return stay(state)
  const name = hello.extensions === undefined ? undefined : phase.name
  return [
    {
      ...state,
      wanted: true,
      established: name ?? state.established,
      peerProcess: hello.extensions?.process ?? state.peerProcess,
      phase: { _tag: "Open", token, name, since: now }
    },
    [{ _tag: "Install", token }]
  ]
}

const ended = (settings: Settings, state: State, event: Extract<Event, { _tag: "Ended" }>, moment: Moment): Step => {
  const retire: Command = { _tag: "Retire", token: event.token, error: event.error, clean: false }
  if (event.idle) return [rest(state, event.error), [retire]]
  const [next, commands] = backOff(settings, state, event, moment)
  return [next, [retire, ...commands]]
}

/**
 * @since 0.1.0
 * @category combinators
 */
export const step = (settings: Settings, state: State, event: Event, moment: Moment): Step => {
  const { phase } = state
  switch (event._tag) {
    case "Wanted":
      return phase._tag === "Idle" ? approach(settings, state, moment) : ease(settings, remember(state), moment)
    case "Urged":
      if (phase._tag === "Idle" && state.wanted) return approach(settings, state, moment)
      return phase._tag === "BackingOff" ? cutShort(settings, state, phase.token, moment) : stay(state)
    case "Woken":
      return step(settings, { ...state, failures: 0, pattern: FailurePattern.empty }, { _tag: "Urged" }, moment)
    case "Dialed":
      return dialed(state, event.token)
    case "Established":
      return established(state, event, moment.now)
    case "Failed":
      return failed(settings, state, event, moment)
    case "Hailed":
      return hailed(settings, state, event)
    case "Heard":
      return isCurrent(state, event.token)
        ? stay({ ...state, failures: 0, pattern: FailurePattern.empty })
        : stay(state)
    case "Ended":
      return isCurrent(state, event.token) ? ended(settings, state, event, moment) : stay(state)
    case "Due":
      return phase._tag === "BackingOff" && phase.token === event.token ? attempt(settings, state, moment) : stay(state)
    case "Close":
      return [{ ...state, wanted: false, phase: { _tag: "Closed" } }, supersede(phase, event.error)]
    case "Released":
      return stay({ ...state, wanted: false })
    case "Reopen":
      if (phase._tag === "BackingOff") return cutShort(settings, state, phase.token, moment)
      return phase._tag === "Closed" || phase._tag === "Idle"
        ? attempt(settings, { ...state, failures: 0, pattern: FailurePattern.empty }, moment)
        : stay(state)
  }
}

/**
 * The number of the attempt that is under way or waited for, from 1.
 *
 * @since 0.1.0
 * @category getters
 */
export const attemptOf = (state: State): number => state.failures + 1

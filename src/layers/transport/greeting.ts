import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ChannelError } from "../../errors/ConnectionError.ts"
import { ProtocolViolationError } from "../../errors/ConnectionError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { HandshakeError, HandshakeTimeoutError } from "../../errors/TransportError.ts"
import { monotonic } from "../../internal/monotonic.ts"
import type { Limits } from "../../protocol/Credit.ts"
import * as Frame from "../../protocol/Frame.ts"
import * as Handshake from "../../protocol/Handshake.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Session from "../../protocol/Session.ts"
import type { Channel } from "../../services/ConnectionFactory.ts"
import type { RemoteStore } from "../../services/RemoteStore.ts"

/**
 * Who speaks, and from which record.
 *
 * @internal
 */
export interface Speaker {
  readonly incarnationId: string
  /** The incarnation that is stated to a peer that has not met this kernel, as far as is on record. */
  readonly introduction: (peerId: PeerId) => Effect.Effect<string, StoreError>
  readonly process: string
  readonly store: RemoteStore["Type"]
  /** What this kernel has room for on each channel. */
  readonly limits: Limits
}

/**
 * A channel whose handshake is done, and what it means.
 *
 * @internal
 */
export interface Greeted {
  readonly hello: Handshake.Hello
  /** The incarnation that this side stated. */
  readonly ownIncarnationId: string
  readonly verdict: Session.Verdict
  /** Frames that arrived right behind the handshake. */
  readonly rest: ReadonlyArray<Uint8Array>
  /** How long the peer took to answer, in milliseconds; undefined for the side that answered. */
  readonly roundTrip: number | undefined
}

/**
 * @internal
 */
export type GreetingError = ChannelError | StoreError | HandshakeError | HandshakeTimeoutError

interface Heard {
  readonly first: Uint8Array
  readonly rest: ReadonlyArray<Uint8Array>
}

const violation = (peerId: PeerId) => (reason: string) => new ProtocolViolationError({ peerId, reason })

/** Peers hang up on whom they do not want: that is the handshake's failure, however the stream puts it. */
const hungUp =
  (peerId: PeerId) =>
  (cause: ChannelError): ChannelError | HandshakeError =>
    cause._tag === "ProtocolViolationError" ? cause : new HandshakeError({ peerId, reason: "the peer hung up", cause })

const hear = (
  channel: Channel,
  already: ReadonlyArray<Uint8Array>
): Effect.Effect<Heard, ChannelError | HandshakeError> => {
  const [first, ...rest] = already
  return first === undefined
    ? Effect.flatMap(Effect.mapError(channel.receive, hungUp(channel.peerId)), (frames) => hear(channel, frames))
    : Effect.succeed({ first, rest })
}

const say = (channel: Channel, frame: Uint8Array) =>
  Effect.mapError(channel.send(Frame.encode([frame])), hungUp(channel.peerId))

const understand = <A>(channel: Channel, heard: Either.Either<A, string>) =>
  Effect.mapError(heard, violation(channel.peerId))

const within = (timeout: Duration.Duration, peerId: PeerId) =>
  Effect.timeoutFail({ duration: timeout, onTimeout: () => new HandshakeTimeoutError({ peerId, timeout }) })

/** Who is on record hears what it has heard before, so that it does not take this for another life. */
const statementFor = (speaker: Speaker, peerId: PeerId): Effect.Effect<Session.Statement, StoreError> =>
  Effect.flatMap(
    speaker.store.findRemote(peerId),
    Option.match({
      onNone: () => Effect.map(speaker.introduction(peerId), Session.firstStatement),
      onSome: (record) =>
        record.incarnationId === undefined
          ? Effect.map(speaker.introduction(peerId), (id) => Session.statementOf(id, record))
          : Effect.succeed(Session.statementOf(record.ownIncarnationId ?? speaker.incarnationId, record))
    })
  )

/** A peer of the base profile states nothing, so only its incarnation can tell something. */
const baseVerdict = (mine: Session.Statement, incarnationId: string): Session.Verdict => {
  if (mine.peerIncarnationId === undefined) return { _tag: "First", epoch: mine.epoch }
  return mine.peerIncarnationId === incarnationId
    ? { _tag: "Same", epoch: mine.epoch }
    : { _tag: "Restarted", epoch: 0 }
}

/**
 * What the two statements mean, and whether an old conversation ends by it on either side. The side that answered
 * forgets nothing before the opener has confirmed: a hello may come from a channel that its sender has long given up.
 */
const settle = (mine: Session.Statement, hello: Handshake.Hello) => {
  const theirs = hello.extensions?.statement
  if (theirs === undefined) return { verdict: baseVerdict(mine, hello.incarnationId), confirm: false }
  const verdict = Session.settle(mine, theirs)
  return { verdict, confirm: Session.isEnding(verdict) || Session.isEnding(Session.settle(theirs, mine)) }
}

/**
 * The opener's side of the handshake.
 *
 * @internal
 */
export const greet = (
  speaker: Speaker,
  channel: Channel,
  {
    after,
    dial,
    timeout
  }: {
    readonly dial: number
    readonly after: Handshake.ChannelName | undefined
    readonly timeout: Duration.Duration
  }
): Effect.Effect<Greeted, GreetingError> =>
  Effect.gen(function* () {
    const { limits, process } = speaker
    const mine = yield* statementFor(speaker, channel.peerId)
    const ownIncarnationId = mine.incarnationId
    const extensions = { statement: mine, process, dial, after, limits }
    const clock = yield* Clock.clockWith(Effect.succeed)
    const saidAt = monotonic(clock)
    yield* say(channel, Handshake.encode({ _tag: "handshake", incarnationId: ownIncarnationId, extensions }))
    const { first, rest } = yield* hear(channel, [])
    const roundTrip = monotonic(clock) - saidAt
    const hello = yield* understand(channel, Handshake.decode("handshakeAck", first))
    const { confirm, verdict } = settle(mine, hello)
    if (confirm) yield* say(channel, Handshake.encodeConfirmation(verdict.epoch))
    return { hello, ownIncarnationId, verdict, rest, roundTrip }
  }).pipe(within(timeout, channel.peerId), Effect.withSpan("Transport.greet", { attributes: { peer: channel.peerId } }))

/**
 * Reads the hello on a channel that a peer opened.
 *
 * @internal
 */
export const readHello = (channel: Channel, timeout: Duration.Duration) =>
  Effect.flatMap(hear(channel, []), ({ first, rest }) =>
    Effect.map(understand(channel, Handshake.decode("handshake", first)), (hello) => ({ hello, rest }))
  ).pipe(within(timeout, channel.peerId))

/**
 * The other side of the handshake, once the hello was read and found welcome.
 *
 * @internal
 */
export const answer = (
  speaker: Speaker,
  channel: Channel,
  {
    hello,
    rest,
    timeout
  }: {
    readonly hello: Handshake.Hello
    readonly rest: ReadonlyArray<Uint8Array>
    readonly timeout: Duration.Duration
  }
): Effect.Effect<Greeted, GreetingError> =>
  Effect.gen(function* () {
    const { limits, process } = speaker
    const mine = yield* statementFor(speaker, channel.peerId)
    const ownIncarnationId = mine.incarnationId
    const extensions = hello.extensions && {
      statement: mine,
      process,
      dial: hello.extensions.dial,
      after: undefined,
      limits
    }
    yield* say(channel, Handshake.encode({ _tag: "handshakeAck", incarnationId: ownIncarnationId, extensions }))
    const { confirm, verdict } = settle(mine, hello)
    if (!confirm) return { hello, ownIncarnationId, verdict, rest, roundTrip: undefined }
    const confirmation = yield* hear(channel, rest)
    yield* understand(channel, Handshake.decodeConfirmation(verdict.epoch, confirmation.first))
    return { hello, ownIncarnationId, verdict, rest: confirmation.rest, roundTrip: undefined }
  }).pipe(
    within(timeout, channel.peerId),
    Effect.withSpan("Transport.answer", { attributes: { peer: channel.peerId } })
  )

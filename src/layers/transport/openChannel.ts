import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import type { ChannelError } from "../../errors/ConnectionError.ts"
import { StreamClosedError, WriteTimeoutError } from "../../errors/ConnectionError.ts"
import type { IntentionalCloseError } from "../../errors/TransportError.ts"
import { ProbeTimeoutError, StreamInactivityTimeoutError } from "../../errors/TransportError.ts"
import { endlessly } from "../../internal/endless.ts"
import { Gate, type Restore } from "../../internal/gate.ts"
import type { Inbox } from "../../internal/inbox.ts"
import { monotonic } from "../../internal/monotonic.ts"
import type { Timer, Timers } from "../../internal/timers.ts"
import * as Frame from "../../protocol/Frame.ts"
import type * as Liveness from "../../protocol/Liveness.ts"
import * as Probe from "../../protocol/Probe.ts"
import type { Channel } from "../../services/ConnectionFactory.ts"
import type { LinkError, LinkEvent } from "../../services/Transport.ts"
import type { InboundLimits } from "./holdBack.ts"
import { makeHoldBack } from "./holdBack.ts"
import { metrics } from "./metrics.ts"
import { unwatched, watchPath } from "./pathWatch.ts"

type WriteError = ChannelError | WriteTimeoutError | IntentionalCloseError
type Explain = (error: ChannelError) => WriteError

/**
 * A channel in service: it is read, written and watched.
 *
 * @internal
 */
export interface OpenChannel {
  readonly number: number
  readonly channel: Channel
  /** `explain` tells what a write fails with, given how the stream puts it. */
  readonly send: (frames: Uint8Array, explain?: Explain) => Effect.Effect<void, WriteError>
  /** Whether the peer owes an answer from now on. */
  readonly expect: (answer: boolean) => void
  /** What is known of the path so far. */
  readonly experience: () => Liveness.Experience
  /** Stops reading and watching; nothing of this channel reaches the inbox afterwards. */
  readonly stop: Effect.Effect<void>
}

interface Limits extends InboundLimits {
  readonly writeTimeout: Duration.Duration
  readonly ackTimeout: Duration.Duration
  readonly streamInactivityTimeout: Duration.Duration
}

/** The inactivity limit never goes below this. */
const inactivityFloor = Duration.seconds(5)

const inactivityLimit = ({ streamInactivityTimeout }: Limits) => Duration.max(streamInactivityTimeout, inactivityFloor)

/** Of two sides with the same limit one is first; to the other the end of so quiet a stream means the same. */
const quiet = 0.9

/**
 * When something last moved, and since when a write waits, in milliseconds of a clock that never goes back; fields, because they
 * are set with every batch.
 */
interface Activity {
  movedAt: number
  writingSince: number | undefined
}

/** No silence on a path means anything that is shorter than this, however fast the path is. */
const leastSilence = 200

/** A path that is asked about moves, so that it never runs into the inactivity limit while it lives. */
const pathSettings = (limits: Limits): Liveness.Settings => ({
  least: leastSilence,
  most: Math.max(
    leastSilence,
    Math.min(Duration.toMillis(limits.ackTimeout) / 2, Duration.toMillis(inactivityLimit(limits)) / 3)
  )
})

/** A frame's bytes, and about what its array costs. */
const weigh = (frames: ReadonlyArray<Uint8Array>): number =>
  frames.reduce((bytes, frame) => bytes + frame.length + 128, 0)

/** Ends what nothing moves on, and what the peer takes no write of; one timer looks when the earliest of these may be due. */
const watch = (
  timers: Timers,
  channel: Channel,
  activity: Activity,
  limits: Limits,
  onEnd: (error: WriteTimeoutError | StreamInactivityTimeoutError) => Effect.Effect<void>
): Timer => {
  const inactivity = inactivityLimit(limits)
  const idleLimit = Duration.toMillis(inactivity)
  const writeLimit = Duration.toMillis(limits.writeTimeout)
  const { peerId } = channel
  const look = Effect.suspend(() => {
    const now = monotonic(timers.clock)
    const idleLeft = activity.movedAt + idleLimit - now
    const writeLeft = (activity.writingSince ?? now) + writeLimit - now
    if (activity.writingSince !== undefined && writeLeft <= 0) {
      return onEnd(new WriteTimeoutError({ peerId, timeout: limits.writeTimeout }))
    }
    if (idleLeft <= 0) return onEnd(new StreamInactivityTimeoutError({ peerId, timeout: inactivity }))
    // A write that begins meanwhile is due no earlier than then, because that is never later.
    timer.setIn(Math.min(idleLeft, writeLeft))
    return Effect.void
  })
  const timer = timers.make(look)
  timer.setIn(Math.min(idleLimit, writeLimit))
  return timer
}

/**
 * Puts a channel into service: `opened` and then its frames go to the inbox, which holds the peer back while it is full.
 * `onHeard` runs at the first frame that is no probe, `onEnd` once, when the stream has ended or a deadline has passed.
 *
 * @internal
 */
export const openChannel = Effect.fnUntraced(function* (options: {
  readonly number: number
  readonly channel: Channel
  readonly rest: ReadonlyArray<Uint8Array>
  /** Whether the peer speaks our extensions. */
  readonly extended: boolean
  readonly experience: Liveness.Experience
  /** The round trip of the handshake, if it was measured. */
  readonly roundTrip: number | undefined
  readonly inbox: Inbox<LinkEvent>
  readonly limits: Limits
  readonly timers: Timers
  readonly scope: Scope.Scope
  readonly onHeard: Effect.Effect<void>
  readonly onEnd: (error: LinkError) => Effect.Effect<void>
}) {
  const { channel, experience, inbox, limits, number, scope, timers } = options
  const { clock } = timers
  const now = monotonic(clock)
  const activity: Activity = { movedAt: now, writingSince: undefined }
  let heard = false

  // The link's writer and the answers to probes share the channel, which has room for one writer.
  const writing = new Gate()
  const write = (frames: Uint8Array, restore: Restore, explain: Explain): Effect.Effect<void, WriteError> => {
    activity.writingSince = monotonic(clock)
    path.wrote(frames.length)
    metrics.framesSent(Frame.count(frames))
    metrics.bytesSent(frames.length)
    const end = <A, E>(outcome: Effect.Effect<A, E>): Effect.Effect<A, E> => {
      activity.movedAt = monotonic(clock)
      activity.writingSince = undefined
      writing.leave()
      return outcome
    }
    return Effect.matchCauseEffect(restore(channel.send(frames)), {
      onFailure: (cause) => end(Effect.mapError(Effect.failCause(cause), explain)),
      onSuccess: () => end(Effect.void)
    })
  }
  const send: OpenChannel["send"] = (frames, explain = identity) =>
    Effect.uninterruptibleMask((restore) => {
      const turn = writing.enter(restore)
      return turn === undefined
        ? write(frames, restore, explain)
        : Effect.flatMap(turn, () => write(frames, restore, explain))
    })

  const path = options.extended
    ? watchPath({
        timers,
        settings: pathSettings(limits),
        experience,
        sample: options.roundTrip,
        scope,
        // What waits to be written is as good a question, and a question would have to wait for it.
        ask: Effect.suspend(() =>
          activity.writingSince === undefined ? Effect.ignore(send(Frame.encode([Probe.ask]))) : Effect.void
        ),
        onLost: (silence) =>
          options.onEnd(new ProbeTimeoutError({ peerId: channel.peerId, silence: Duration.millis(silence) }))
      })
    : unwatched(experience)
  // While this side does not read, it hears nothing either, and that is not the peer's fault.
  const signOfLife = Effect.suspend(() => {
    path.heard({ answer: false, other: false })
    return options.extended ? Effect.ignore(send(Frame.encode([Probe.answer]))) : Effect.void
  })
  const holdBack = makeHoldBack(clock, limits, signOfLife)

  const roomNow = () => (inbox.hasRoom() ? Effect.void : inbox.room)
  const take = (arrived: ReadonlyArray<Uint8Array>) => {
    activity.movedAt = monotonic(clock)
    const frames = arrived.filter((frame) => !Probe.isProbe(frame))
    if (frames.length > 0) inbox.offer({ _tag: "Frames", channel: number, frames }, weigh(frames))
    path.heard({ answer: frames.length < arrived.length && Probe.hasAnswer(arrived), other: frames.length > 0 })
    const answers = frames.length === arrived.length ? [] : Probe.answers(arrived)
    const size = arrived.reduce((bytes, frame) => bytes + frame.length, 0)
    metrics.framesReceived(arrived.length)
    metrics.bytesReceived(size)
    const pause = holdBack(arrived.length, size)
    const room = pause === undefined ? roomNow() : Effect.zipRight(pause, Effect.suspend(roomNow))
    const answered = answers.length === 0 ? room : Effect.zipRight(send(Frame.encode(answers)), room)
    if (heard || frames.length === 0) return answered
    heard = true
    return Effect.zipRight(options.onHeard, answered)
  }
  const read = Effect.zipRight(
    options.rest.length === 0 ? Effect.void : take(options.rest),
    endlessly(Effect.flatMap(channel.receive, take))
  )
  const ended = (error: LinkError) => {
    const timeout = inactivityLimit(limits)
    const silence = monotonic(clock) - activity.movedAt
    return options.onEnd(
      silence >= quiet * Duration.toMillis(timeout)
        ? new StreamInactivityTimeoutError({ peerId: channel.peerId, timeout })
        : error
    )
  }
  const reader = yield* Effect.forkIn(Effect.catchAll(read, ended), scope)
  const watchdog = watch(timers, channel, activity, limits, options.onEnd)

  const opened: OpenChannel = {
    number,
    channel,
    send,
    expect: path.owe,
    experience: path.experience,
    stop: Effect.suspend(() => {
      watchdog.end()
      path.end()
      return Fiber.interrupt(reader)
    })
  }
  return opened
})

/**
 * @internal
 */
export const notOpen = (peerId: string) => new StreamClosedError({ peerId, status: "closed" })

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChannelError } from "../../errors/ConnectionError.ts"
import { StreamClosedError, WriteTimeoutError } from "../../errors/ConnectionError.ts"
import type { IntentionalCloseError } from "../../errors/TransportError.ts"
import { ProbeTimeoutError, StreamInactivityTimeoutError } from "../../errors/TransportError.ts"
import { isDone, made } from "../../internal/atOnce.ts"
import { Gate, type Restore } from "../../internal/gate.ts"
import type { Inbox } from "../../internal/inbox.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { type Label, OnCall, type Roster } from "../../internal/onCall.ts"
import type { Clockwork, Timer } from "../../internal/timers.ts"
import * as Frame from "../../protocol/Frame.ts"
import type * as Liveness from "../../protocol/Liveness.ts"
import * as Probe from "../../protocol/Probe.ts"
import type { Channel } from "../../services/ConnectionFactory.ts"
import type { LinkError, LinkEvent } from "../../services/Transport.ts"
import type { ChannelLimits } from "./channelLimits.ts"
import { HoldBack } from "./holdBack.ts"
import type { Ready } from "./linkActor.ts"
import { metrics } from "./metrics.ts"
import { type PathOwner, PathWatch } from "./pathWatch.ts"

type WriteError = ChannelError | WriteTimeoutError | IntentionalCloseError

/**
 * What a channel in service stands on.
 *
 * @internal
 */
export interface ChannelGround {
  readonly inbox: Inbox<LinkEvent>
  readonly limits: ChannelLimits
  readonly clockwork: Clockwork
  readonly roster: Roster
  readonly label: Label
  /** Runs at the first frame of a channel that is no probe. */
  onHeard(channel: number): Effect.Effect<void>
  /** Runs once, when the stream has ended or a deadline has passed. */
  onEnd(channel: number, error: LinkError): Effect.Effect<void>
}

/** Of two sides with the same limit one is first; to the other the end of so quiet a stream means the same. */
const quiet = 0.9

/** A frame's bytes, and about what its array costs. */
const weigh = (frames: ReadonlyArray<Uint8Array>): number =>
  frames.reduce((bytes, frame) => bytes + frame.length + 128, 0)

/**
 * A channel in service: it is read, written and watched. What it brings goes to the inbox, which holds the peer back while it is full.
 *
 * Of a class, and with nothing made before it is needed: a kernel with many peers has one for each of them.
 *
 * @internal
 */
export class OpenChannel implements PathOwner {
  readonly number: number
  readonly channel: Channel
  readonly scope: Scope.CloseableScope
  readonly #ground: ChannelGround
  /** Whether the peer speaks our extensions. */
  readonly #extended: boolean
  readonly #before: Liveness.Experience
  readonly #path: PathWatch | undefined
  readonly #holdBack: HoldBack
  readonly #reader: OnCall
  readonly #watchdog: Timer
  /** The link's writer and the answers to probes share the channel, which has room for one writer. */
  readonly #writing = new Gate()
  /** When something last moved, and since when a write waits, in milliseconds of a clock that never goes back. */
  #movedAt: number
  #writingSince: number | undefined
  #heard = false
  /** What has to be done about what was read last, before more is read. */
  #debt: Effect.Effect<void, WriteError> | undefined
  #isStopped = false

  constructor(ground: ChannelGround, number: number, { channel, greeted, scope }: Ready, before: Liveness.Experience) {
    const { clockwork, limits } = ground
    this.number = number
    this.channel = channel
    this.scope = scope
    this.#ground = ground
    this.#extended = greeted.hello.extensions !== undefined
    this.#before = before
    this.#movedAt = monotonic(clockwork.clock)
    this.#path = this.#extended ? new PathWatch(this, clockwork, limits.path, before, greeted.roundTrip) : undefined
    this.#holdBack = new HoldBack(clockwork.clock, limits)
    this.#watchdog = clockwork.make(scope, () => this.#watch())
    this.#watchdog.setIn(Math.min(limits.inactivityMillis, limits.writeMillis))
    this.#reader = new OnCall(ground.roster, ground.label, () => this.#read())
    if (greeted.rest.length > 0) this.#onReadable(greeted.rest)
    else this.#listen()
  }

  /** What is known of the path so far. */
  get experience(): Liveness.Experience {
    return this.#path?.experience ?? this.#before
  }

  /** Whether the peer owes an answer from now on. */
  expect(answer: boolean): void {
    this.#path?.owe(answer)
  }

  /** Writes at once, unless another write waits; gives what is left to wait for. */
  sendNow(frames: Uint8Array): Effect.Effect<void, WriteError> {
    if (this.#writing.busy) return this.#writing.through((restore) => this.#finish(this.#write(frames), restore))
    const sent = this.#write(frames)
    return isDone(sent) ? sent : this.#writing.through((restore) => this.#finish(sent, restore))
  }

  send(frames: Uint8Array): Effect.Effect<void, WriteError> {
    return Effect.suspend(() => this.sendNow(frames))
  }

  /** For when the channel may be over: its reader finds out how it ended, unless that waits for something else. */
  check(): Effect.Effect<void> {
    if (this.channel.status() === "open") return Effect.void
    if (this.#debt !== undefined) return this.#ground.onEnd(this.number, notOpen(this.channel.peerId))
    return Effect.sync(() => this.#reader.call())
  }

  /** Stops reading and watching; nothing of this channel reaches the inbox afterwards. */
  get stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isStopped = true
      this.#watchdog.end()
      this.#path?.end()
      return this.#reader.end
    })
  }

  get ask(): Effect.Effect<void> {
    return Effect.suspend(() =>
      // What waits to be written is as good a question, and a question would have to wait for it.
      this.#writingSince === undefined ? Effect.ignore(this.send(Frame.encode([Probe.ask]))) : Effect.void
    )
  }

  onSilence(millis: number): Effect.Effect<void> {
    const error = new ProbeTimeoutError({ peerId: this.channel.peerId, silence: Duration.millis(millis) })
    return this.#ground.onEnd(this.number, error)
  }

  get #now(): number {
    return monotonic(this.#ground.clockwork.clock)
  }

  #write(frames: Uint8Array): Effect.Effect<void, WriteError> {
    this.#movedAt = this.#now
    this.#path?.wrote(frames.length)
    metrics.framesSent(Frame.count(frames))
    metrics.bytesSent(frames.length)
    return this.channel.sendNow(frames)
  }

  /** Waits until the peer takes what was written. */
  #finish(sent: Effect.Effect<void, WriteError>, restore: Restore): Effect.Effect<void, WriteError> {
    if (isDone(sent)) return sent
    this.#writingSince = this.#now
    return Effect.ensuring(
      restore(sent),
      Effect.sync(() => {
        this.#movedAt = this.#now
        this.#writingSince = undefined
      })
    )
  }

  /** What is not done at once: waits until more may be read, or finds out how the channel ended. */
  #read(): Effect.Effect<void> {
    const taken = this.#debt ?? Effect.flatMap(this.channel.receive, (arrived) => (this.#debt = this.#take(arrived)))
    return Effect.matchEffect(taken, {
      onFailure: (error) => this.#ended(error),
      onSuccess: () => {
        this.#debt = undefined
        this.#listen()
        return Effect.void
      }
    })
  }

  #listen(): void {
    this.channel.listen(() => this.#onReadable(this.channel.poll()))
  }

  /** In the turn in which it arrives, unless something has to be waited for. */
  #onReadable(arrived: ReadonlyArray<Uint8Array>): void {
    if (this.#isStopped) return
    const taken = arrived.length === 0 ? undefined : made(() => this.#take(arrived))
    if (taken !== undefined && isDone(taken)) return this.#listen()
    this.#debt = taken
    this.#reader.call()
  }

  #take(arrived: ReadonlyArray<Uint8Array>): Effect.Effect<void, WriteError> {
    const { inbox } = this.#ground
    this.#movedAt = this.#now
    const frames = arrived.some(Probe.isProbe) ? arrived.filter((frame) => !Probe.isProbe(frame)) : arrived
    if (frames.length > 0) inbox.offer({ _tag: "Frames", channel: this.number, frames }, weigh(frames))
    this.#path?.heard({ answer: frames.length < arrived.length && Probe.hasAnswer(arrived), other: frames.length > 0 })
    const answers = frames.length === arrived.length ? [] : Probe.answers(arrived)
    const size = arrived.reduce((bytes, frame) => bytes + frame.length, 0)
    metrics.framesReceived(arrived.length)
    metrics.bytesReceived(size)
    const pause = this.#holdBack.charge(arrived.length, size)
    const room = pause ? Effect.flatMap(this.#holdBack.pause(this.#signOfLife), () => this.#room) : this.#room
    const answered = answers.length === 0 ? room : Effect.zipRight(this.send(Frame.encode(answers)), room)
    if (this.#heard || frames.length === 0) return answered
    this.#heard = true
    return Effect.zipRight(this.#ground.onHeard(this.number), answered)
  }

  get #room(): Effect.Effect<void> {
    const { inbox } = this.#ground
    return inbox.hasRoom ? Effect.void : inbox.room
  }

  /** While this side does not read, it hears nothing either, and that is not the peer's fault. */
  get #signOfLife(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#path?.heard({ answer: false, other: false })
      return this.#extended ? Effect.ignore(this.send(Frame.encode([Probe.answer]))) : Effect.void
    })
  }

  #ended(error: LinkError): Effect.Effect<void> {
    const { inactivity, inactivityMillis } = this.#ground.limits
    const isQuiet = this.#now - this.#movedAt >= quiet * inactivityMillis
    return this.#ground.onEnd(this.number, isQuiet ? this.#inactive(inactivity) : error)
  }

  #inactive(timeout: Duration.Duration): StreamInactivityTimeoutError {
    return new StreamInactivityTimeoutError({ peerId: this.channel.peerId, timeout })
  }

  /** Ends what nothing moves on, and what the peer takes no write of; one timer looks when the earliest of these may be due. */
  #watch(): Effect.Effect<void> {
    const { limits } = this.#ground
    const now = this.#now
    const idleLeft = this.#movedAt + limits.inactivityMillis - now
    const writeLeft = (this.#writingSince ?? now) + limits.writeMillis - now
    if (this.#writingSince !== undefined && writeLeft <= 0) {
      return this.#ground.onEnd(
        this.number,
        new WriteTimeoutError({ peerId: this.channel.peerId, timeout: limits.write })
      )
    }
    if (idleLeft <= 0) return this.#ground.onEnd(this.number, this.#inactive(limits.inactivity))
    // A write that begins meanwhile is due no earlier than then, because that is never later.
    this.#watchdog.setIn(Math.min(idleLeft, writeLeft))
    return Effect.void
  }
}

/**
 * @internal
 */
export const notOpen = (peerId: string) => new StreamClosedError({ peerId, status: "closed" })

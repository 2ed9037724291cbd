import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import {
  type ChannelError,
  ProtocolViolationError,
  StreamClosedError,
  StreamResetError,
  WriteTimeoutError
} from "../errors/ConnectionError.ts"
import * as Frame from "../protocol/Frame.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { Channel, ChannelEnd, ChannelStatus } from "../services/ConnectionFactory.ts"
import type { Ground, Pipe, Signal, Sink } from "./memoryPipe.ts"

/**
 * Where a kernel is: at a place of its own, or behind a relay.
 *
 * @internal
 */
export const addressOf = (peer: PeerId, relay: string | undefined): string =>
  relay === undefined ? `/memory/${peer}/p2p/${peer}` : `/memory/${relay}/p2p-circuit/p2p/${peer}`

/**
 * What an end is made of.
 *
 * @internal
 */
export interface Parts {
  readonly localPeerId: PeerId
  readonly peerId: PeerId
  readonly direction: "inbound" | "outbound"
  /** The relay that it goes through, if it does. */
  readonly relay: string | undefined
  readonly protocol: string
  readonly maxFrameSize: number
  readonly closeTimeout: Duration.Duration
  readonly incoming: Pipe
  readonly outgoing: Pipe
  readonly fork: Ground["fork"]
  /** Called once, when the end is over. */
  readonly onDone: (end: End) => void
}

/**
 * One kernel's end of a channel: a `Channel` towards the kernel, a `Sink` towards the network. The peer's FIN closes it, as
 * with libp2p. It starts no fiber but the deadline of a close that the peer holds up.
 *
 * @internal
 */
export class End implements Channel, Sink {
  readonly localPeerId: PeerId
  readonly peerId: PeerId
  readonly direction: "inbound" | "outbound"
  readonly address: string
  readonly relay: string | undefined
  readonly relayed: boolean
  readonly protocol: string
  private readonly parts: Parts
  private readonly decoder: Frame.Decoder
  private readonly fate = Deferred.unsafeMake<ChannelEnd>(FiberId.none)
  private state: ChannelStatus = "open"
  private inbox: ReadonlyArray<Uint8Array> = []
  /** Bytes that have arrived and that the peer has no room back for yet. */
  private unread = 0
  private reader: (() => void) | undefined
  /** What `receive` fails with after the last frame; made on demand, since an error object costs more than a message. */
  private readFailure: (() => ChannelError) | undefined
  private remoteFinished = false
  private deadline: Fiber.RuntimeFiber<void> | undefined

  constructor(parts: Parts) {
    this.parts = parts
    this.localPeerId = parts.localPeerId
    this.peerId = parts.peerId
    this.direction = parts.direction
    this.relay = parts.relay
    this.relayed = parts.relay !== undefined
    this.address = addressOf(parts.peerId, parts.relay)
    this.protocol = parts.protocol
    this.decoder = Frame.makeDecoder(parts.maxFrameSize)
    parts.incoming.sink = this
  }

  readonly status = (): ChannelStatus => this.state

  readonly isDone = (): boolean => this.state !== "open" && this.state !== "closing"

  readonly send = (frames: Uint8Array): Effect.Effect<void, ChannelError> => Effect.suspend(() => this.sendNow(frames))

  readonly sendNow = (frames: Uint8Array): Effect.Effect<void, ChannelError> => {
    if (this.state !== "open") return Effect.fail(this.notWritable(this.state))
    this.parts.outgoing.write(frames)
    return this.parts.outgoing.isFlushed() ? Effect.void : this.flushed
  }

  readonly poll = (): ReadonlyArray<Uint8Array> => {
    this.release()
    const frames = this.inbox
    this.inbox = []
    return frames
  }

  readonly receive: Effect.Effect<ReadonlyArray<Uint8Array>, ChannelError> = Effect.suspend(() => {
    const frames = this.poll()
    if (frames.length > 0) return Effect.succeed(frames)
    return this.readFailure === undefined
      ? Effect.zipRight(this.arrival, this.receive)
      : Effect.fail(this.readFailure())
  })

  readonly listen = (onReadable: () => void): void => {
    this.release()
    if (this.inbox.length > 0 || this.readFailure !== undefined) onReadable()
    else this.reader = onReadable
  }

  readonly ended: Effect.Effect<ChannelEnd> = Deferred.await(this.fate)

  readonly close: Effect.Effect<void> = Effect.uninterruptible(
    Effect.suspend(() => {
      if (this.state === "open") this.startClosing({ by: "local", error: undefined })
      return this.isDone() ? Effect.void : Effect.asVoid(this.ended)
    })
  )

  readonly abort = (error: Error): Effect.Effect<void> => Effect.sync(() => this.abortNow(error))

  /** Ends this side with an error of its own; the peer is told. */
  abortNow(error: Error): void {
    if (this.isDone()) return
    if (this.readFailure === undefined) this.inbox = []
    this.readFailure ??= () => this.notWritable("aborted", error)
    this.finish("aborted", { by: "local", error })
    this.parts.outgoing.breakOff("reset")
  }

  /** Ends this side without a trace of it, as a crash of its process does; the peer finds out. */
  vanish(): void {
    if (this.isDone()) return
    this.inbox = []
    this.finish("reset", { by: "remote", clean: false, error: undefined })
    this.parts.outgoing.breakOff("vanished")
  }

  /** Ends this side because of the peer (`reset`) or the network (`vanished`). */
  lose(signal: "reset" | "vanished"): void {
    if (this.isDone()) return
    const clean = this.remoteFinished
    const error = signal === "reset" && !clean ? new StreamResetError({ peerId: this.peerId }) : undefined
    this.finish("reset", { by: "remote", clean, error })
    this.parts.outgoing.stop()
  }

  /** Forgets what is still under way; nobody is left at either end. */
  clear(): void {
    this.parts.outgoing.stop()
  }

  /** Whether this end's outgoing path lost a part of the stream. */
  isTorn(): boolean {
    return this.parts.outgoing.torn
  }

  take(chunk: Uint8Array): void {
    this.unread += chunk.length
    const decoded = this.decoder.push(chunk)
    const frames = Either.isRight(decoded) ? decoded.right : this.decoder.beforeViolation()
    this.inbox = this.inbox.length === 0 ? frames : this.inbox.concat(frames)
    if (Either.isLeft(decoded)) this.violated(decoded.left)
    if (this.reader !== undefined) this.release()
    if (this.inbox.length > 0) this.wake()
  }

  signal(signal: Signal): void {
    if (signal !== "fin") return this.lose(signal)
    if (this.isDone()) return
    if (this.decoder.pendingBytes() > 0) return this.violated("the stream ended inside a frame")
    this.remoteFinished = true
    this.readFailure ??= () => this.notWritable("closed")
    this.wake()
    if (this.state === "open") this.startClosing({ by: "remote", clean: true, error: undefined })
  }

  private readonly arrival: Effect.Effect<void> = Effect.async((resume) => {
    if (this.reader !== undefined)
      return resume(Effect.dieMessage("a channel has one reader, and this is a second one"))
    if (this.inbox.length > 0 || this.readFailure !== undefined) return resume(Effect.void)
    const reader = () => resume(Effect.void)
    this.reader = reader
    return Effect.sync(() => {
      if (this.reader === reader) this.reader = undefined
    })
  })

  private readonly flushed: Effect.Effect<void, ChannelError> = Effect.async((resume) => {
    const settle = () => resume(Effect.suspend(() => this.writeResult()))
    if (this.isDone() || this.parts.outgoing.isFlushed()) return settle()
    return Effect.sync(this.parts.outgoing.whenFlushed(settle))
  })

  private startClosing(end: ChannelEnd): void {
    this.state = "closing"
    this.parts.outgoing.finish(() => this.finish("closed", end))
    if (!this.isDone()) this.startDeadline()
  }

  /**
   * The deadline is a fiber of the network's: an interrupt of the closing fiber reaches its children even where it is
   * uninterruptible itself, so a timeout around the wait would be cut short and leave the end without a deadline.
   */
  private startDeadline(): void {
    const { closeTimeout: timeout } = this.parts
    const expire = () => this.abortNow(new WriteTimeoutError({ peerId: this.peerId, timeout }))
    this.deadline = this.parts.fork(Effect.zipRight(Effect.sleep(timeout), Effect.sync(expire)))
  }

  private writeResult(): Effect.Effect<void, ChannelError> {
    if (this.state === "aborted") return Effect.fail(this.notWritable(this.state))
    return this.state === "reset" ? Effect.fail(new StreamResetError({ peerId: this.peerId })) : Effect.void
  }

  private notWritable(status: Exclude<ChannelStatus, "open">, cause?: Error): StreamClosedError {
    return new StreamClosedError({ peerId: this.peerId, status, cause })
  }

  private violated(reason: string): void {
    const error = new ProtocolViolationError({ peerId: this.peerId, reason })
    this.readFailure ??= () => error
    this.abortNow(error)
  }

  private release(): void {
    const bytes = this.unread
    if (bytes === 0) return
    this.unread = 0
    if (this.parts.outgoing.path.silenced === "no") this.parts.incoming.credit(bytes)
    else this.parts.outgoing.torn = true
  }

  private wake(): void {
    const { reader } = this
    this.reader = undefined
    reader?.()
  }

  private finish(status: "closed" | "aborted" | "reset", end: ChannelEnd): void {
    this.state = status
    this.deadline?.unsafeInterruptAsFork(FiberId.none)
    this.readFailure ??=
      status === "reset" ? () => new StreamResetError({ peerId: this.peerId }) : () => this.notWritable(status)
    Deferred.unsafeDone(this.fate, Exit.succeed(end))
    if (status === "closed") this.release()
    this.wake()
    this.parts.onDone(this)
  }
}

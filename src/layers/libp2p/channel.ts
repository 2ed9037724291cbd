/**
 * A libp2p stream as a `Channel`.
 *
 * @internal
 */
import type { Connection, Stream, StreamCloseEvent, StreamMessageEvent } from "@libp2p/interface"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import {
  type ChannelError,
  ProtocolViolationError,
  StreamClosedError,
  StreamResetError
} from "../../errors/ConnectionError.ts"
import * as Frame from "../../protocol/Frame.ts"
import * as PeerId from "../../protocol/PeerId.ts"
import type { Channel, ChannelEnd, ChannelStatus } from "../../services/ConnectionFactory.ts"
import { afterReading } from "./afterReading.ts"
import { toError } from "./errors.ts"
import { Inbox } from "./inbox.ts"
import * as Yamux from "./yamux.ts"

/**
 * How many bytes may lie undelivered before the stream is paused. Together with the receive window (1 MiB, see `node.ts`) it
 * stays below the 4 MiB at which libp2p resets a paused stream.
 */
const inboxLimit = 1_048_576

/** `end` comes later, when it may matter. */
const events = ["message", "remoteCloseWrite", "close"] as const

/**
 * @internal
 */
export interface Options {
  readonly maxFrameSize: number
  readonly closeTimeout: Duration.Duration
  /** Runs what must go on after an event, in a fiber that the factory owns. */
  readonly run: (effect: Effect.Effect<void>) => void
  /** Called once, at the end of the stream in both directions. */
  readonly onEnd: (channel: Channel) => void
}

/**
 * Waits until the muxer takes more. `drain` comes too early and too often, and `onDrain()` resolves at once from its second
 * use on; so every event is only a reason to look again, after libp2p has tried to send what it holds.
 */
const drained = (stream: Stream, ended: () => ChannelError | undefined): Effect.Effect<void, ChannelError> =>
  Effect.async((resume) => {
    const release = () => {
      stream.removeEventListener("drain", later)
      stream.removeEventListener("close", look)
    }
    const look = () => {
      const error = ended()
      if (error === undefined && stream.writableNeedsDrain) return
      release()
      resume(error === undefined ? Effect.void : Effect.fail(error))
    }
    const later = () => queueMicrotask(look)
    stream.addEventListener("drain", later)
    stream.addEventListener("close", look)
    look()
    return Effect.sync(release)
  })

/**
 * Of a class, and with nothing made before it is needed: a kernel with many peers has one for each of them. It listens to the stream
 * by itself, which takes up less than a function for each event.
 */
class StreamChannel implements Channel {
  readonly peerId: PeerId.PeerId
  readonly #stream: Stream
  readonly #connection: Connection
  readonly #options: Options
  readonly #decoder: Frame.Decoder
  readonly #inbox: Inbox<ChannelError>
  readonly #write: (frames: Uint8Array) => boolean
  /** There once somebody waits for the end. */
  #whenEnded: Deferred.Deferred<ChannelEnd> | undefined
  #intent: { readonly error: Error | undefined } | undefined
  #violation: ProtocolViolationError | undefined
  #isFinished = false
  #isDiscarding = false
  #end: ChannelEnd | undefined

  constructor(stream: Stream, connection: Connection, options: Options) {
    this.peerId = Either.getOrThrow(PeerId.fromString(connection.remotePeer.toString()))
    this.#stream = stream
    this.#connection = connection
    this.#options = options
    this.#decoder = Frame.makeDecoder(options.maxFrameSize)
    this.#inbox = new Inbox({
      decoder: this.#decoder,
      limit: inboxLimit,
      later: afterReading,
      onRoom: () => this.#resume(),
      onViolation: (reason) => this.#onViolation(reason)
    })
    this.#write = Yamux.writerOf(stream)
    for (const event of events) stream.addEventListener(event, this)
    Yamux.hearStream(stream, (data) => this.#onMessage(data))
    if (stream.remoteWriteStatus === "closed" && stream.status === "open") this.#onFin()
    if (stream.status !== "open") this.#onClose(undefined)
    else if (stream.readableEnded) this.#onReadEnd()
  }

  get direction() {
    return this.#stream.direction
  }

  get address() {
    return this.#connection.remoteAddr.toString()
  }

  get relayed() {
    return !this.#connection.direct
  }

  get protocol() {
    return this.#stream.protocol
  }

  status(): ChannelStatus {
    const end = this.#end
    if (end === undefined) {
      const { status, writeStatus } = this.#stream
      const isOpen = this.#intent === undefined && !this.#isFinished && status === "open" && writeStatus === "writable"
      return isOpen ? "open" : "closing"
    }
    return end.by === "local" ? (end.error === undefined ? "closed" : "aborted") : end.clean ? "closed" : "reset"
  }

  send(frames: Uint8Array): Effect.Effect<void, ChannelError> {
    return Effect.suspend(() => this.sendNow(frames))
  }

  sendNow(frames: Uint8Array): Effect.Effect<void, ChannelError> {
    if (this.status() !== "open") return Effect.fail(this.#closedError())
    try {
      return this.#write(frames)
        ? Effect.void
        : drained(this.#stream, () => (this.#end === undefined ? undefined : this.#lostError()))
    } catch {
      // It has aborted the stream: the connection under it is gone.
      return Effect.fail(this.#lostError())
    }
  }

  get receive() {
    return this.#inbox.take
  }

  poll(): ReadonlyArray<Uint8Array> {
    return this.#inbox.poll()
  }

  listen(onReadable: () => void): void {
    this.#inbox.listen(onReadable)
  }

  get ended(): Effect.Effect<ChannelEnd> {
    return Effect.suspend(() => {
      if (this.#end !== undefined) return Effect.succeed(this.#end)
      return Deferred.await((this.#whenEnded ??= Deferred.unsafeMake(FiberId.none)))
    })
  }

  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#end === undefined && this.#intent === undefined) {
        this.#intent = { error: undefined }
        this.#isDiscarding = this.#stream.readStatus === "paused"
        this.#resume()
        this.#options.run(this.#finish)
      }
      return Effect.asVoid(this.ended)
    })
  }

  abort(error: Error): Effect.Effect<void> {
    return Effect.sync(() => this.#abort(error))
  }

  /** What the stream calls. */
  handleEvent(event: StreamMessageEvent | StreamCloseEvent | Event): void {
    if ("data" in event) return this.#onMessage(event.data)
    switch (event.type) {
      case "remoteCloseWrite":
        return this.#onFin()
      case "end":
        return this.#onReadEnd()
      case "close":
        return this.#onClose("error" in event ? event.error : undefined)
    }
  }

  get #finish(): Effect.Effect<void> {
    return Effect.tryPromise({
      try: (signal) => this.#stream.close({ signal }),
      catch: toError
    }).pipe(
      Effect.zipRight(this.ended),
      Effect.timeoutFail({
        duration: this.#options.closeTimeout,
        onTimeout: () => new Error("the stream did not close in time")
      }),
      Effect.catchAll((error) => Effect.sync(() => this.#giveUp(error))),
      Effect.onInterrupt(() => Effect.sync(() => this.#giveUp(new Error("the network is stopped"))))
    )
  }

  #abort(error: Error): void {
    if (this.#end !== undefined) return
    this.#intent = { error }
    if (this.#violation === undefined) this.#inbox.clear()
    this.#stream.abort(error)
  }

  #giveUp(error: Error): void {
    if (this.#intent === undefined) this.#stream.abort(error)
    else this.#abort(error)
  }

  #resume(): void {
    if (this.#stream.readStatus !== "paused") return
    try {
      this.#stream.resume()
    } catch {
      // It has handed over what it held; only telling the peer failed, and that the connection is gone comes as an event.
    }
  }

  #onMessage(data: Uint8Array | Iterable<Uint8Array>): void {
    if (this.#isDiscarding || this.#violation !== undefined) return
    this.#inbox.push(data instanceof Uint8Array ? [data] : data)
    if (!this.#inbox.isFull || this.#stream.readStatus !== "readable") return
    // Nobody may be reading any more, and the peer's FIN is behind its data: what does not fit is not wanted.
    if (this.#intent !== undefined) this.#isDiscarding = true
    else this.#stream.pause()
  }

  #onViolation(reason: string): void {
    const violation = new ProtocolViolationError({ peerId: this.peerId, reason })
    this.#violation = violation
    this.#inbox.fail(() => this.#readError())
    this.#abort(violation)
  }

  #onFin(): void {
    this.#isFinished = true
    this.#listenForReadEnd()
    this.#options.run(this.#finish)
  }

  /** What the stream still holds comes before that. */
  #listenForReadEnd(): void {
    if (this.#stream.readableEnded) this.#onReadEnd()
    else this.#stream.addEventListener("end", this)
  }

  #onReadEnd(): void {
    if (this.#end === undefined && (!this.#isFinished || this.#intent !== undefined)) return
    this.#inbox.fail(() => this.#readError())
  }

  #onClose(error: Error | undefined): void {
    if (this.#end !== undefined) return
    this.#end =
      this.#intent === undefined
        ? { by: "remote", clean: this.#isFinished && error === undefined, error }
        : { by: "local", error: this.#intent.error }
    if (this.#whenEnded !== undefined) Deferred.unsafeDone(this.#whenEnded, Effect.succeed(this.#end))
    if (this.#stream.readableEnded || this.#stream.readBufferLength === 0) this.#onReadEnd()
    else this.#listenForReadEnd()
    this.#options.onEnd(this)
  }

  #closedError(): StreamClosedError {
    const status = this.status()
    return new StreamClosedError({ peerId: this.peerId, status: status === "open" ? "closed" : status })
  }

  #lostError(): ChannelError {
    if (this.status() !== "reset") return this.#closedError()
    const cause = this.#end?.error
    return new StreamResetError({ peerId: this.peerId, ...(cause && { cause }) })
  }

  #readError(): ChannelError {
    if (this.#violation !== undefined) return this.#violation
    if (this.#intent !== undefined || !this.#isFinished) return this.#lostError()
    if (this.#decoder.pendingBytes() > 0)
      return new ProtocolViolationError({ peerId: this.peerId, reason: "the stream ended inside a frame" })
    return this.#closedError()
  }
}

/**
 * Takes charge of a stream, at once: its frames are read from the same turn of the event loop on. It lives until both
 * directions have ended.
 *
 * @internal
 */
export const make = (stream: Stream, connection: Connection, options: Options): Channel =>
  new StreamChannel(stream, connection, options)

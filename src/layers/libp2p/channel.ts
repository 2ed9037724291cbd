/**
 * A libp2p stream as a `Channel`.
 *
 * @internal
 */
import type { Connection, Stream } from "@libp2p/interface"
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
import * as Inbox from "./inbox.ts"

/**
 * How many bytes may lie undelivered before the stream is paused. Together with the receive window (1 MiB, see `node.ts`) it
 * stays below the 4 MiB at which libp2p resets a paused stream.
 */
const inboxLimit = 1_048_576

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
 * Takes charge of a stream, at once: its frames are read from the same turn of the event loop on. It lives until both
 * directions have ended.
 *
 * @internal
 */
export const make = (stream: Stream, connection: Connection, options: Options): Channel => {
  const peerId = Either.getOrThrow(PeerId.fromString(connection.remotePeer.toString()))
  const decoder = Frame.makeDecoder(options.maxFrameSize)
  const whenEnded = Deferred.unsafeMake<ChannelEnd>(FiberId.none)
  let intent: { readonly error: Error | undefined } | undefined
  let violation: ProtocolViolationError | undefined
  let finished = false
  let discarding = false
  let end: ChannelEnd | undefined

  const resume = () => {
    if (stream.readStatus !== "paused") return
    try {
      stream.resume()
    } catch {
      // It has handed over what it held; only telling the peer failed, and that the connection is gone comes as an event.
    }
  }
  const inbox = Inbox.make<ChannelError>({
    decoder,
    limit: inboxLimit,
    later: afterReading,
    onRoom: resume,
    onViolation: (reason) => {
      violation = new ProtocolViolationError({ peerId, reason })
      inbox.fail(readError)
      abort(violation)
    }
  })

  const status = (): ChannelStatus => {
    if (end === undefined) {
      return intent === undefined && !finished && stream.status === "open" && stream.writeStatus === "writable"
        ? "open"
        : "closing"
    }
    return end.by === "local" ? (end.error === undefined ? "closed" : "aborted") : end.clean ? "closed" : "reset"
  }
  const closedError = (): StreamClosedError => {
    const now = status()
    return new StreamClosedError({ peerId, status: now === "open" ? "closed" : now })
  }
  const lostError = (): ChannelError =>
    status() === "reset" ? new StreamResetError({ peerId, ...(end?.error && { cause: end.error }) }) : closedError()
  const readError = (): ChannelError => {
    if (violation !== undefined) return violation
    if (intent !== undefined || !finished) return lostError()
    if (decoder.pendingBytes() > 0)
      return new ProtocolViolationError({ peerId, reason: "the stream ended inside a frame" })
    return closedError()
  }

  const abort = (error: Error): void => {
    if (end !== undefined) return
    intent = { error }
    if (violation === undefined) inbox.clear()
    stream.abort(error)
  }
  const giveUp = (error: Error): void => {
    if (intent === undefined) stream.abort(error)
    else abort(error)
  }
  const finish: Effect.Effect<void> = Effect.tryPromise({
    try: (signal) => stream.close({ signal }),
    catch: toError
  }).pipe(
    Effect.zipRight(Deferred.await(whenEnded)),
    Effect.timeoutFail({
      duration: options.closeTimeout,
      onTimeout: () => new Error("the stream did not close in time")
    }),
    Effect.catchAll((error) => Effect.sync(() => giveUp(error))),
    Effect.onInterrupt(() => Effect.sync(() => giveUp(new Error("the network is stopped"))))
  )

  const hold = (): void => {
    if (!inbox.isFull() || stream.readStatus !== "readable") return
    // Nobody may be reading any more, and the peer's FIN is behind its data: what does not fit is not wanted.
    if (intent !== undefined) discarding = true
    else stream.pause()
  }
  const onMessage = ({ data }: { readonly data: Uint8Array | Iterable<Uint8Array> }): void => {
    if (discarding || violation !== undefined) return
    inbox.push(data instanceof Uint8Array ? [data] : data)
    hold()
  }
  const onFin = (): void => {
    finished = true
    options.run(finish)
  }
  const onReadEnd = (): void => {
    if (end !== undefined || (finished && intent === undefined)) inbox.fail(readError)
  }
  const onClose = ({ error }: { readonly error?: Error | undefined }): void => {
    if (end !== undefined) return
    end =
      intent === undefined
        ? { by: "remote", clean: finished && error === undefined, error }
        : { by: "local", error: intent.error }
    Deferred.unsafeDone(whenEnded, Effect.succeed(end))
    if (stream.readableEnded || stream.readBufferLength === 0) onReadEnd()
    options.onEnd(channel)
  }

  const channel: Channel = {
    peerId,
    direction: stream.direction,
    address: connection.remoteAddr.toString(),
    relayed: !connection.direct,
    protocol: stream.protocol,
    status,
    send: (frames) =>
      Effect.suspend(() => {
        if (status() !== "open") return Effect.fail(closedError())
        try {
          return stream.send(frames) ? Effect.void : drained(stream, () => end && lostError())
        } catch {
          // It has aborted the stream: the connection under it is gone.
          return Effect.fail(lostError())
        }
      }),
    receive: inbox.take,
    ended: Deferred.await(whenEnded),
    close: Effect.suspend(() => {
      if (end === undefined && intent === undefined) {
        intent = { error: undefined }
        discarding = stream.readStatus === "paused"
        resume()
        options.run(finish)
      }
      return Effect.asVoid(Deferred.await(whenEnded))
    }),
    abort: (error) => Effect.sync(() => abort(error))
  }

  stream.addEventListener("message", onMessage)
  stream.addEventListener("remoteCloseWrite", onFin)
  stream.addEventListener("end", onReadEnd)
  stream.addEventListener("close", onClose)
  if (stream.remoteWriteStatus === "closed" && stream.status === "open") onFin()
  if (stream.status !== "open") onClose({})
  else if (stream.readableEnded) onReadEnd()
  return channel
}

/**
 * The channels that a kernel dials, seen from outside: what goes over them is counted, and one can be cut.
 */
import { ConnectionFactory } from "effect-remotes"
import * as Effect from "effect/Effect"
import * as Handshake from "../../src/protocol/Handshake.ts"

/** What is known of a channel. */
export interface Seen {
  /** When the dial had succeeded. */
  readonly openedAt: number
  /** What was written, but for the hello. */
  bytes: number
  writes: number
  /** When the first message was written. */
  firstAt: number | undefined
  /** How many messages the peer had at the handshake, as it says. */
  received: number | undefined
}

/** What is to be seen, and done, by the bench. */
export interface Watch {
  readonly seen: Array<Seen>
  /** The channel is cut once this much was written on it. */
  cutAfter: number
}

export const makeWatch = (): Watch => ({ seen: [], cutAfter: Infinity })

const readReceived = (frames: ReadonlyArray<Uint8Array>): number => {
  const hello = frames[0] === undefined ? undefined : Handshake.decode("handshakeAck", frames[0])
  return hello?._tag === "Right" ? (hello.right.extensions?.statement.received ?? 0) : 0
}

const observe = (watch: Watch, channel: ConnectionFactory.Channel): ConnectionFactory.Channel => {
  const seen: Seen = { openedAt: performance.now(), bytes: 0, writes: 0, firstAt: undefined, received: undefined }
  watch.seen.push(seen)
  const { direction, peerId, protocol, relayed } = channel
  const sendNow = (frames: Uint8Array) => {
    seen.writes += 1
    if (seen.writes > 1) seen.bytes += frames.length
    if (seen.writes === 2) seen.firstAt = performance.now()
    const sent = channel.sendNow(frames)
    if (seen.bytes < watch.cutAfter) return sent
    watch.cutAfter = Infinity
    return Effect.zipLeft(sent, channel.abort(new Error("cut by the bench")))
  }
  return {
    peerId,
    direction,
    address: channel.address,
    relayed,
    protocol,
    status: () => channel.status(),
    poll: () => channel.poll(),
    listen: (onReadable) => channel.listen(onReadable),
    ended: channel.ended,
    close: channel.close,
    abort: (error) => channel.abort(error),
    send: (frames) => Effect.suspend(() => sendNow(frames)),
    sendNow,
    receive: Effect.tap(channel.receive, (frames) =>
      Effect.sync(() => {
        seen.received ??= readReceived(frames)
      })
    )
  }
}

/** The factory, with its dials observed if there is a watch; one that does not dial leaves it to its peer, so that it is known which channel is used. */
export const observed = (watch: Watch | undefined, dials: boolean) =>
  Effect.map(ConnectionFactory.ConnectionFactory, (factory) => ({
    ...factory,
    dial: (...target: Parameters<(typeof factory)["dial"]>) =>
      dials
        ? Effect.map(factory.dial(...target), (channel) => (watch === undefined ? channel : observe(watch, channel)))
        : Effect.never
  }))

/**
 * Watches what libp2p reads before a protocol of ours speaks. Its own reader takes a length prefix that never ends, and lines
 * without end, a piece at a time and all that has arrived in one turn of the event loop.
 *
 * @internal
 */
import type {
  ConnectionEncrypter,
  MessageStream,
  SecuredConnection,
  StreamMessageEvent,
  StreamMuxer,
  StreamMuxerFactory
} from "@libp2p/interface"
import { identity } from "effect/Function"
import type { Libp2pOptions } from "libp2p"
import { inNextTurn } from "./afterReading.ts"
import * as BusyPolling from "./busyPolling.ts"
import { joinWrites } from "./joining.ts"
import { readQuietly } from "./lengths.ts"
import * as Negotiation from "./negotiation.ts"
import { hearPastQueue, sendPastQueue } from "./queues.ts"
import { readInTurns } from "./readingInTurns.ts"
import { takeShortPacketsWhole } from "./shortPackets.ts"
import { saveUpdates } from "./windowUpdates.ts"
import { takeFramesWhole } from "./yamux.ts"

type Known = (protocol: string) => boolean
type Guarded = Required<Pick<Libp2pOptions, "connectionProtector" | "connectionEncrypters" | "streamMuxers">>

/** They are made one after the other, so that each is only looked at once a connection is there. */
type Components = Parameters<Guarded["connectionProtector"]>[0]

/** A dialer has asked for a protocol by name; at any other answer libp2p ends by itself. */
const whatever: Known = () => true

/**
 * Stands before whoever reads the negotiation on this stream, until that is over. What is none ends the stream, unread.
 *
 * @internal
 */
export const watch = <S extends MessageStream>(stream: S, isKnown: Known): S => {
  const read = Negotiation.reader(isKnown)
  const hear = (data: StreamMessageEvent["data"]): Negotiation.Standing => {
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      const standing = read(chunk)
      if (standing !== "open") return standing
    }
    return "open"
  }
  const look = (event: StreamMessageEvent): void => {
    // As long as nobody else listens, what is handed out would be lost; put back, it comes again in the next turn.
    if (stream.listenerCount("message") === 1) return stream.unshift(event.data)
    const standing = hear(event.data)
    if (standing === "open") return
    stream.removeEventListener("message", look)
    if (standing === "over") return
    event.stopImmediatePropagation()
    stream.abort(new Error("it negotiates without end"))
  }
  stream.addEventListener("message", look)
  return stream
}

/** Every stream is watched in the moment in which libp2p hears of it: before anything is read of it. */
const watchStreams = (muxer: StreamMuxer, isServed: Known): StreamMuxer => {
  const add = muxer.addEventListener.bind(muxer)
  const create = muxer.createStream.bind(muxer)
  let isWatched = false
  return Object.assign(muxer, {
    createStream: async (...options: Parameters<typeof create>) =>
      watch(saveUpdates(await create(...options)), whatever),
    // Not added at once: the muxer keeps the streams that come early for its first listener.
    addEventListener: (...listener: Parameters<typeof add>) => {
      if (listener[0] === "stream" && !isWatched) {
        isWatched = true
        add("stream", ({ detail }) => void watch(saveUpdates(detail), isServed))
      }
      add(...listener)
    }
  })
}

const watchMuxer = (factory: StreamMuxerFactory, components: Components): StreamMuxerFactory => {
  const create = factory.createStreamMuxer.bind(factory)
  const isServed: Known = (protocol) => components.registrar.getProtocols().includes(protocol)
  return Object.assign(factory, {
    createStreamMuxer: (connection: MessageStream) => watchStreams(takeFramesWhole(create(connection)), isServed)
  })
}

/** Where no muxer is agreed upon on the way, there is a negotiation about it. */
const watchSecured = async (securing: Promise<SecuredConnection>, isKnown: Known): Promise<SecuredConnection> => {
  const secured = await securing
  hearPastQueue(sendPastQueue(takeShortPacketsWhole(readQuietly(secured.connection))))
  if (secured.streamMuxer === undefined) watch(secured.connection, isKnown)
  return secured
}

const watchEncrypter = (encrypter: ConnectionEncrypter, components: Components): ConnectionEncrypter => {
  const isKnown: Known = (protocol) => components.upgrader.getStreamMuxers().has(protocol)
  return {
    protocol: encrypter.protocol,
    secureInbound: (...secure) => watchSecured(encrypter.secureInbound(...secure), isKnown),
    secureOutbound: (...secure) => watchSecured(encrypter.secureOutbound(...secure), isKnown)
  }
}

/** Libp2p's place for what is done to a connection before anything is said on it. */
const protector =
  (isPolling: boolean): Guarded["connectionProtector"] =>
  (components) => {
    const isKnown: Known = (protocol) => components.upgrader.getConnectionEncrypters().has(protocol)
    const poll = isPolling ? BusyPolling.make(inNextTurn) : identity
    return {
      protect: async (connection) => watch(poll(readInTurns(hearPastQueue(joinWrites(connection)))), isKnown)
    }
  }

/**
 * What is made into a node's connections: an encrypter and a muxer, and whether the event loop stays awake for quick answers.
 *
 * @internal
 */
export interface Parts {
  readonly encrypter: Guarded["connectionEncrypters"][number]
  readonly muxer: Guarded["streamMuxers"][number]
  readonly busyPolling: boolean
}

/**
 * An encrypter and a muxer for a node, and what watches the negotiations about both and about each stream.
 *
 * @internal
 */
export const around = ({ busyPolling, encrypter, muxer }: Parts): Guarded => ({
  connectionProtector: protector(busyPolling),
  connectionEncrypters: [(components) => watchEncrypter(encrypter(components), components)],
  streamMuxers: [(components) => watchMuxer(muxer(components), components)]
})

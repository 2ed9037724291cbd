/**
 * The channels that have not ended yet, so that stopping can end them.
 *
 * @internal
 */
import type { Connection, Stream } from "@libp2p/interface"
import type { Channel } from "../../services/ConnectionFactory.ts"
import * as Libp2pChannel from "./channel.ts"

/**
 * @internal
 */
export interface Channels {
  readonly open: ReadonlySet<Channel>
  /** Takes charge of a stream, in the same turn of the event loop. */
  readonly adopt: (stream: Stream, connection: Connection) => Channel
}

/**
 * @internal
 */
export const make = (options: Omit<Libp2pChannel.Options, "onEnd">): Channels => {
  const open = new Set<Channel>()
  return {
    open,
    adopt: (stream, connection) => {
      const channel = Libp2pChannel.make(stream, connection, { ...options, onEnd: (ended) => void open.delete(ended) })
      const status = channel.status()
      // It may have ended before anybody listened.
      if (status === "open" || status === "closing") open.add(channel)
      return channel
    }
  }
}

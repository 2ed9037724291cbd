/**
 * How a node comes to its end.
 *
 * @internal
 */
import type { Connection, Libp2p } from "@libp2p/interface"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Channel } from "../../services/ConnectionFactory.ts"
import * as Node from "./node.ts"

/**
 * @internal
 */
export interface Terms {
  readonly channels: Iterable<Channel>
  /** How long closing one connection may take. */
  readonly closeTimeout: Duration.Duration
  /** How long all of it may take. */
  readonly deadline: Duration.Duration
}

/**
 * Why what is cut off is cut off.
 *
 * @internal
 */
export const stoppedReason = (): Error => new Error("the network is stopped")

/**
 * Peers get all that was sent, then the end of each stream, then of each connection, those that run over others first; what takes
 * longer than the deadline, less the share that the node itself needs, is cut off.
 *
 * @internal
 */
export const stop = Effect.fnUntraced(
  function* (node: Libp2p, { channels, closeTimeout, deadline }: Terms) {
    const share = Duration.times(deadline, 0.25)
    const all = { concurrency: "unbounded", discard: true } as const
    const close = Effect.forEach([...channels], (channel) => channel.close, all)
    const hangUp = (isIn: (connection: Connection) => boolean) =>
      Effect.suspend(() =>
        Effect.forEach(node.getConnections().filter(isIn), (connection) => Node.hangUp(connection, closeTimeout), all)
      )
    const graceful = yield* close.pipe(
      Effect.zipRight(hangUp(({ direct }) => !direct)),
      Effect.zipRight(hangUp(() => true)),
      Effect.interruptible,
      Effect.timeout(Duration.subtract(deadline, share)),
      Effect.either
    )
    for (const connection of node.getConnections()) connection.abort(stoppedReason())
    const stopped = yield* Effect.tryPromise(async () => node.stop()).pipe(
      Effect.interruptible,
      Effect.timeout(share),
      Effect.either
    )
    for (const it of [graceful, stopped])
      if (Either.isLeft(it)) yield* Effect.logWarning("The network did not stop gracefully", it.left)
  },
  Effect.annotateLogs({ package: "effect-remotes", module: "Libp2p" })
)

/**
 * The node's connections: made at most once at a time for an address, and let go when nobody uses them.
 *
 * @internal
 */
import type { Connection } from "@libp2p/interface"
import { multiaddr } from "@multiformats/multiaddr"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Circuit from "./circuit.ts"
import * as Connects from "./connects.ts"
import * as Node from "./node.ts"

/**
 * @internal
 */
export interface Connections extends Connects.Connects {
  /** Gives up a claim, and closes the connection if it was the last one on a connection that nobody uses. */
  readonly letGo: (connection: Connection) => void
  /** Closes a connection that nobody has claimed and that has none of our streams. */
  readonly dropUnused: (connection: Connection, error: Error) => void
  /** Whether a stream of ours, or a relayed connection, is on it. */
  readonly carries: (connection: Connection) => boolean
}

/**
 * @internal
 */
export interface Options {
  readonly protocols: ReadonlyArray<string>
  /** Whether the connection to this peer stays although it carries nothing. */
  readonly isKept: (peer: string) => boolean
  /** Runs what must go on after an event, in a fiber that the factory owns. */
  readonly run: (effect: Effect.Effect<void>) => void
}

/**
 * Why a connection or a stream that nobody waits for any more is let go.
 *
 * @internal
 */
export const abandoned = new Error("the dial was given up")

/** How long the connection to a relay is kept for the next dial through it. */
const relayLinger = Duration.seconds(5)

/**
 * Lives with the scope, in which it watches for relays that carry nothing any more.
 *
 * @internal
 */
export const make = (node: Node.Node, options: Options): Effect.Effect<Connections, never, Scope.Scope> =>
  Effect.gen(function* () {
    const used = new Set(["", ...options.protocols, ...Circuit.protocols])
    const carries = ({ streams }: Connection): boolean => streams.some(({ protocol }) => used.has(protocol))
    const dropUnused: Connections["dropUnused"] = (connection, error) => {
      if (connects.isClaimed(connection) || carries(connection)) return
      if (!options.isKept(connection.remotePeer.toString())) options.run(Node.drop(connection, error))
    }
    const letGo = (connection: Connection): void => {
      connects.unclaim(connection)
      dropUnused(connection, abandoned)
    }
    /** A relayed connection runs over one to the relay, which is made here: with the deadline and for the claims of a dial. */
    const connect = async (text: string, signal: AbortSignal): Promise<Connection> => {
      const address = multiaddr(text)
      const relay = Circuit.relayOf(address)
      if (relay === undefined || connectionsVia(relay.toString()).length > 0) {
        return node.services.transports.dial(address, signal)
      }
      const connection = await connects.join(relay.toString(), signal)
      try {
        return await node.services.transports.dial(address, signal)
      } finally {
        letGo(connection)
      }
    }
    const connects = Connects.make(connect)
    const connectionsVia = (relay: string) =>
      node.getConnections().filter(({ remotePeer }) => relay.endsWith(`/p2p/${remotePeer.toString()}`))

    const onClose = ({ detail }: { readonly detail: Connection }): void => {
      const relay = Circuit.relayOf(detail.remoteAddr)?.toString()
      if (relay === undefined) return
      const drop = Effect.sync(() => connectionsVia(relay).forEach((it) => dropUnused(it, abandoned)))
      options.run(Effect.delay(drop, relayLinger))
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => node.addEventListener("connection:close", onClose)),
      () => Effect.sync(() => node.removeEventListener("connection:close", onClose))
    )
    return { ...connects, letGo, dropUnused, carries }
  })

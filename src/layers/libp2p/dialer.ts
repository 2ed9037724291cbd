/**
 * From a peer id and hints to an open stream.
 *
 * @internal
 */
import type { Connection, Stream } from "@libp2p/interface"
import { peerIdFromString } from "@libp2p/peer-id"
import type { Multiaddr } from "@multiformats/multiaddr"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import {
  type DialError,
  DialFailedError,
  DialTimeoutError,
  NoAddressError,
  type NetworkStoppedError
} from "../../errors/ConnectionError.ts"
import { acquireAbortable } from "../../internal/promise.ts"
import { type Attempt, staggered } from "../../internal/staggered.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Candidates from "./candidates.ts"
import * as Circuit from "./circuit.ts"
import { abandoned, type Connections } from "./connections.ts"
import { isFinal, toConnectError, toDialError } from "./errors.ts"
import * as Node from "./node.ts"

/**
 * A stream, and where it leads.
 *
 * @internal
 */
export interface Opened {
  readonly stream: Stream
  readonly connection: Connection
}

/**
 * @internal
 */
export interface Options {
  readonly dialTimeout: Duration.Duration
  readonly dialStagger: Duration.Duration
  readonly protocols: ReadonlyArray<string>
  readonly isAllowed: (address: Multiaddr) => boolean
  readonly connections: Connections
  /** The relays that this side uses. */
  readonly relays: () => ReadonlyArray<string>
  /** Fails when the network stops. */
  readonly stopped: Effect.Effect<never, NetworkStoppedError>
  /** Runs what must go on after a dial, in a fiber that the factory owns. */
  readonly run: (effect: Effect.Effect<void>) => void
}

/**
 * Opens a stream to a peer and hands it to `use`, which no interruption comes before. Interrupted or failed, it leaves nothing
 * open that it opened.
 *
 * @internal
 */
export type Dial = <B, E, R>(
  peer: PeerId,
  hints: ReadonlyArray<string>,
  use: (opened: Opened) => Effect.Effect<B, E, R>
) => Effect.Effect<B, E | DialError, R>

/** How long an open connection may take for a new stream before other ways are tried beside it. */
const reuseGrace = Duration.seconds(2)

/** How many peers' last good addresses are remembered. */
const mostRemembered = 1024

/** The addresses that worked last, of the peers dialed most recently. */
const makeMemory = () => {
  const addresses = new Map<PeerId, string>()
  return {
    get: (peer: PeerId) => addresses.get(peer),
    set: (peer: PeerId, address: string) => {
      addresses.delete(peer)
      addresses.set(peer, address)
      const [oldest] = addresses.keys()
      if (addresses.size > mostRemembered && oldest !== undefined) addresses.delete(oldest)
    }
  }
}

/**
 * @internal
 */
export const make = (node: Node.Node, options: Options): Dial => {
  const lastGood = makeMemory()
  const { connections } = options

  const openStream = (
    peer: PeerId,
    connection: Connection,
    taken: (stream: Stream) => void
  ): Effect.Effect<Opened, DialError> =>
    Effect.map(
      acquireAbortable(
        (signal) => connection.newStream([...options.protocols], { signal, runOnLimitedConnection: true }),
        toDialError(peer, connection.remoteAddr.toString()),
        { taken, late: (stream) => stream.abort(abandoned) }
      ),
      (stream) => ({ stream, connection })
    )

  const withDeadline = (peer: PeerId, address: string) =>
    Effect.timeoutFail({
      duration: options.dialTimeout,
      onTimeout: () => new DialTimeoutError({ peerId: peer, address, timeout: options.dialTimeout })
    })

  const overNew = (peer: PeerId, address: string): Attempt<Opened, DialError> => {
    let connection: Connection | undefined
    let stream: Stream | undefined
    const connected = acquireAbortable((signal) => connections.join(address, signal), toConnectError(peer, address), {
      taken: (it) => (connection = it),
      late: connections.letGo
    })
    return {
      grace: options.dialStagger,
      run: connected.pipe(
        Effect.filterOrFail(
          ({ remotePeer }) => remotePeer.toString() === peer,
          () => new DialFailedError({ peerId: peer, address, code: "WrongPeer" })
        ),
        Effect.flatMap((it) => openStream(peer, it, (opened) => (stream = opened))),
        withDeadline(peer, address)
      ),
      release: () => {
        stream?.abort(abandoned)
        if (connection !== undefined) connections.letGo(connection)
      }
    }
  }

  const overOpen = (peer: PeerId, connection: Connection): Attempt<Opened, DialError> => {
    let stream: Stream | undefined
    connections.claim(connection)
    const isDead = ({ _tag }: DialError) => _tag === "MuxerClosedError" || _tag === "DialTimeoutError"
    return {
      grace: reuseGrace,
      run: openStream(peer, connection, (opened) => (stream = opened)).pipe(
        withDeadline(peer, connection.remoteAddr.toString()),
        // Or the next dial would take it again.
        Effect.tapError((error) => Effect.sync(() => isDead(error) && options.run(Node.drop(connection, error))))
      ),
      release: () => {
        stream?.abort(abandoned)
        connections.unclaim(connection)
      }
    }
  }

  const denied = (peer: PeerId, address: string): Attempt<Opened, DialError> => ({
    grace: options.dialStagger,
    run: Effect.fail(new DialFailedError({ peerId: peer, address, code: "DialDeniedError" })),
    release: () => undefined
  })

  return (peer, hints, use) =>
    Effect.suspend(() => {
      const open = node.getConnections(peerIdFromString(peer)).filter(({ status }) => status === "open")
      const best = open.find(({ direct, limits }) => direct && limits === undefined) ?? open[0]
      const { canDial } = node.services.transports
      const sources = { hints, relays: options.relays(), lastGood: lastGood.get(peer), canDial }
      const attempts = Candidates.make(peer, sources).map((address) =>
        options.isAllowed(Circuit.relayOf(address) ?? address)
          ? overNew(peer, address.toString())
          : denied(peer, address.toString())
      )
      if (best !== undefined) attempts.unshift(overOpen(peer, best))
      if (!Arr.isNonEmptyReadonlyArray(attempts)) return Effect.fail(new NoAddressError({ peerId: peer }))
      return staggered(attempts, {
        isFinal,
        watch: options.stopped,
        use: (opened) => {
          const { connection } = opened
          connections.unclaim(connection)
          if (connection.direction === "outbound") lastGood.set(peer, connection.remoteAddr.toString())
          if (best !== undefined && best !== connection) connections.dropUnused(best, abandoned)
          return use(opened)
        }
      })
    })
}

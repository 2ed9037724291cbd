/**
 * The libp2p node: set up, listening, stopped.
 *
 * @internal
 */
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys"
import { identify } from "@libp2p/identify"
import type { Connection, Libp2p, Transport } from "@libp2p/interface"
import { ping } from "@libp2p/ping"
import type { Multiaddr } from "@multiformats/multiaddr"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { createLibp2p, type Libp2pOptions } from "libp2p"
import { InvalidAddressError } from "../../errors/AddressError.ts"
import { InvalidOptionsError } from "../../errors/ConfigError.ts"
import type { ListenError } from "../../errors/ConnectionError.ts"
import * as Candidates from "./candidates.ts"
import * as Circuit from "./circuit.ts"
import { toError, toListenError } from "./errors.ts"
import * as Guards from "./guards.ts"
import { heartbeats as everyHeartbeat } from "./heartbeats.ts"
import { logger } from "./logging.ts"

/**
 * The node's transports, past libp2p's dial queue: that one makes all dials to a peer one, has deadlines of its own that are
 * not on the Effect `Clock`, and tries addresses in turn.
 *
 * @internal
 */
export interface Transports {
  readonly dial: (address: Multiaddr, signal: AbortSignal) => Promise<Connection>
  readonly listen: (address: Multiaddr) => Promise<void>
  readonly canListen: (address: Multiaddr) => boolean
  readonly canDial: (address: Multiaddr) => boolean
  readonly reservations: () => Circuit.ReservationStore | undefined
}

/**
 * How libp2p takes a transport.
 *
 * @internal
 */
export type TransportFactory = NonNullable<Libp2pOptions["transports"]>[number]

/**
 * @internal
 */
export type Node = Libp2p<{ readonly transports: Transports }>

/** What is used of libp2p's own; it has no type that is exported to all. */
interface Components {
  readonly transportManager: {
    readonly dial: (address: Multiaddr, options: { readonly signal: AbortSignal }) => Promise<Connection>
    readonly listen: (addresses: Array<Multiaddr>) => Promise<void>
    readonly listenTransportForMultiaddr: (address: Multiaddr) => object | undefined
    readonly dialTransportForMultiaddr: (address: Multiaddr) => object | undefined
    readonly getTransports: () => Array<Transport>
  }
}

/**
 * Libp2p's transports as a service of the node.
 *
 * @internal
 */
export const transports = ({ transportManager }: Components): Transports => ({
  dial: (address, signal) => transportManager.dial(address, { signal }),
  listen: (address) => transportManager.listen([address]),
  canListen: (address) => transportManager.listenTransportForMultiaddr(address) !== undefined,
  canDial: (address) => transportManager.dialTransportForMultiaddr(address) !== undefined,
  reservations: () => Circuit.reservationsOf(transportManager.getTransports())
})

/**
 * What the Noise protocol needs of cryptography.
 *
 * @internal
 */
export type Ciphers = NonNullable<NonNullable<Parameters<typeof noise>[0]>["crypto"]>

/**
 * How streams are multiplexed. A paused one must not be sent more than libp2p's read buffer (4 MiB) holds, or it is reset.
 *
 * @internal
 */
export const muxing = { streamOptions: { maxStreamWindowSize: 1_048_576 } }

/**
 * The pings that find a frozen peer travel behind the data. One that takes as long as a full window on a slow line (20 s:
 * some 50 kB/s) must not cost the connection, nor may two be under way: the peer refuses the second.
 */
const heartbeat = 20_000

/**
 * What finds out that a peer is frozen.
 *
 * @internal
 */
export const heartbeats = everyHeartbeat(heartbeat)

/**
 * How a node's connections are made.
 *
 * @internal
 */
export interface Wiring {
  /** In place of libp2p's own. */
  readonly ciphers?: Ciphers | undefined
  /** Whether the event loop stays awake for quick answers; it does not by itself. */
  readonly busyPolling?: boolean | undefined
}

/**
 * What every node has, whether a kernel's or a relay's.
 *
 * @internal
 */
export const common = async (
  keySeed: Uint8Array,
  { busyPolling = false, ciphers }: Wiring = {}
): Promise<Libp2pOptions> => ({
  start: false,
  logger,
  privateKey: await generateKeyPairFromSeed("Ed25519", keySeed),
  ...Guards.around({ encrypter: noise(ciphers && { crypto: ciphers }), muxer: yamux(muxing), busyPolling }),
  connectionMonitor: { enabled: false }
})

/** Libp2p's default: what connections that never become a channel have to share where there are few places for peers. */
const fewestConnections = 300

/**
 * For a kernel with so many places for peers: each may have two connections, because two that dial each other at once do.
 *
 * Libp2p's own redials, of peers with a tag that it gives to relays, are off: no retries, and none of them at a time.
 *
 * @internal
 */
export const connectionManager = (places: number): NonNullable<Libp2pOptions["connectionManager"]> => ({
  reconnectRetries: 0,
  maxParallelReconnects: 0,
  maxConnections: Math.max(fewestConnections, 2 * places),
  inboundConnectionThreshold: 100,
  maxIncomingPendingConnections: 100
})

/** All that is not ours, and so may be wrong about a node, is a transport: two of a kind, or one that is none. */
const setUp = <A>(create: () => Promise<A>): Effect.Effect<A, InvalidOptionsError> =>
  Effect.tryPromise({
    try: create,
    catch: (cause) => new InvalidOptionsError({ problems: [`transports: ${toError(cause).message}`] })
  })

/**
 * What a node is given by where it runs.
 *
 * @internal
 */
export interface Platform extends Pick<Wiring, "ciphers"> {
  /** Beside the circuit relay's, which every node has. */
  readonly transports: ReadonlyArray<TransportFactory>
}

/**
 * @internal
 */
export interface Options extends Pick<Wiring, "busyPolling"> {
  readonly keySeed: Uint8Array
  readonly isAllowed: (address: Multiaddr) => boolean
  readonly platform: Platform
  /** How many peers may have a channel at once. */
  readonly places: number
}

/**
 * A node that is made but not started.
 *
 * @internal
 */
export const make = ({
  busyPolling,
  isAllowed,
  keySeed,
  places,
  platform
}: Options): Effect.Effect<Node, InvalidOptionsError> =>
  setUp(async () =>
    createLibp2p({
      ...(await common(keySeed, { busyPolling, ciphers: platform.ciphers })),
      transports: [...platform.transports, Circuit.make],
      connectionGater: { denyDialMultiaddr: (address) => !isAllowed(address) },
      connectionManager: connectionManager(places),
      services: { identify: identify(), ping: ping(), heartbeats, transports }
    })
  )

/**
 * Reads addresses; the first that is none is named.
 *
 * @internal
 */
export const parseAddresses = (
  addresses: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Multiaddr>, InvalidAddressError> =>
  Effect.forEach(addresses, (address) =>
    Effect.mapError(Candidates.parse(address), () => new InvalidAddressError({ address, reason: "it is no multiaddr" }))
  )

const noTransport = (address: Multiaddr): string => {
  const names = address.getComponents().map(({ name }) => name)
  if (names.includes("p2p-circuit")) return "relays to be reached through are named in the option relays"
  if (names.includes("udp"))
    return "nothing here listens on UDP unless a transport for it is given in the option transports"
  return "there is no transport to listen on it"
}

/**
 * Reads the addresses to listen on and checks that the node has a transport for each.
 *
 * @internal
 */
export const readAddresses = (
  node: Node,
  addresses: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Multiaddr>, InvalidAddressError> =>
  Effect.gen(function* () {
    const read = yield* parseAddresses(addresses)
    const unheard = read.find((it) => !node.services.transports.canListen(it))
    if (unheard === undefined) return read
    return yield* new InvalidAddressError({ address: unheard.toString(), reason: noTransport(unheard) })
  })

/**
 * Listens on one address after the other, so that the first that cannot be had is named.
 *
 * @internal
 */
export const listen = (node: Node, addresses: ReadonlyArray<Multiaddr>): Effect.Effect<void, ListenError> =>
  Effect.forEach(
    addresses,
    (address) =>
      Effect.tryPromise({
        try: () => node.services.transports.listen(address),
        catch: toListenError(address.toString())
      }),
    { discard: true }
  )

/** Libp2p's `close` may wait for a drain or an end that has come already, so the event counts as well. */
const whenClosed = (connection: Connection): Effect.Effect<void> =>
  Effect.async((resume) => {
    const close = () => resume(Effect.void)
    if (connection.status !== "open" && connection.status !== "closing") return close()
    connection.addEventListener("close", close)
    return Effect.sync(() => connection.removeEventListener("close", close))
  })

/**
 * Closes a connection with all its streams, gracefully within the deadline, else by force.
 *
 * @internal
 */
export const hangUp = (connection: Connection, deadline: Duration.Duration): Effect.Effect<void> =>
  Effect.tryPromise({ try: (signal) => connection.close({ signal }), catch: toError }).pipe(
    Effect.raceFirst(whenClosed(connection)),
    Effect.timeoutFail({ duration: deadline, onTimeout: () => new Error("the connection did not close in time") }),
    Effect.interruptible,
    Effect.catchAll((error) => Effect.sync(() => connection.abort(error))),
    Effect.onInterrupt(() => Effect.sync(() => connection.abort(new Error("the network is stopped"))))
  )

/**
 * Closes a connection that leads nowhere, without waiting for its streams.
 *
 * @internal
 */
export const drop = (connection: Connection, error: Error): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (const stream of [...connection.streams]) stream.abort(error)
    // Not `abort` at once: on a WebSocket it would leave the peer with a connection that looks open.
    return hangUp(connection, Duration.millis(500))
  })

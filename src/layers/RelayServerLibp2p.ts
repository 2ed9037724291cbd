/**
 * `RelayServer` on libp2p: circuit relay v2 over TCP and WebSockets.
 *
 * @since 0.1.0
 */
import { type CircuitRelayServerInit, circuitRelayServer } from "@libp2p/circuit-relay-v2"
import { identify } from "@libp2p/identify"
import type { PeerId } from "@libp2p/interface"
import { ping } from "@libp2p/ping"
import { tcp } from "@libp2p/tcp"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createLibp2p } from "libp2p"
import type { InvalidAddressError } from "../errors/AddressError.ts"
import type { InvalidOptionsError } from "../errors/ConfigError.ts"
import type { ListenError } from "../errors/ConnectionError.ts"
import { InvalidSeedError } from "../errors/IdentityError.ts"
import * as IdentityKey from "../internal/identityKey.ts"
import * as Declare from "../internal/options.ts"
import { Entropy } from "../services/Entropy.ts"
import { RelayServer } from "../services/RelayServer.ts"
import { ciphers } from "./libp2p/ciphers.ts"
import * as Node from "./libp2p/node.ts"
import { stop } from "./libp2p/stopping.ts"
import * as WebSockets from "./libp2p/webSockets.ts"

/** What timers have room for. */
const longest = Duration.days(24)

/**
 * Every option and its default.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = Schema.Struct({
  listen: Declare.someTexts(
    ["/ip4/0.0.0.0/tcp/9002", "/ip4/0.0.0.0/tcp/9001/ws"],
    "multiaddrs to listen on, TCP or WebSocket"
  ),
  announce: Declare.texts(
    "multiaddrs at which others reach the relay, if not where it listens: a public address, a name, a port of a proxy"
  ),
  keySeed: Declare.secret(
    "32 bytes in hexadecimal, `Redacted`, that make the relay's key, and so its peer id; a fresh key for each start without it"
  ),
  maxReservations: Declare.count(512, "how many kernels may be reachable through the relay at once"),
  maxConnections: Declare.count(1024, "how many connections the relay has at most; beyond them idle ones are closed"),
  reservationTtl: Declare.durationBetween(
    Duration.minutes(6),
    longest,
    "1 hour",
    "how long a kernel stays reachable without asking again, which ours do in time"
  ),
  maxConnectionBytes: Declare.bytes(
    1_073_741_824,
    "how much one relayed connection may carry, both ways together; kernels make a new one and go on"
  ),
  maxConnectionDuration: Declare.durationBetween(
    Duration.millis(1),
    longest,
    "24 hours",
    "how long one relayed connection may live; kernels make a new one and go on"
  ),
  stopTimeout: Declare.durationBetween(Duration.millis(1), longest, "2 seconds", "how long stopping may take")
})

/**
 * @since 0.1.0
 * @category models
 */
export type Options = typeof Options.Type

/**
 * What can be wrong at the start.
 *
 * @since 0.1.0
 * @category errors
 */
export type StartError = InvalidOptionsError | InvalidSeedError | InvalidAddressError | ListenError

const readOptions = Declare.decoder(Options)

const readSeed = ({ keySeed }: Options) =>
  keySeed === undefined
    ? Effect.flatMap(Entropy, (entropy) => entropy.bytes(IdentityKey.keyLength))
    : Option.match(IdentityKey.fromHex(keySeed), {
        onNone: () => Effect.fail(new InvalidSeedError()),
        onSome: (seed) => Effect.succeed(Redacted.value(seed))
      })

/** How many others one kernel may reach through the relay at once, and how long asking for it may take. */
const perKernel = { maxInboundHopStreams: 256, hopTimeout: 10_000 }

const limits = (options: Options): CircuitRelayServerInit => ({
  ...perKernel,
  reservations: {
    maxReservations: options.maxReservations,
    reservationTtl: Duration.toMillis(options.reservationTtl),
    defaultDataLimit: BigInt(options.maxConnectionBytes),
    defaultDurationLimit: Duration.toMillis(options.maxConnectionDuration)
  }
})

const makeNode = (options: Options, keySeed: Uint8Array) =>
  Effect.promise(async () =>
    createLibp2p({
      ...(await Node.common(keySeed, { ciphers })),
      addresses: { announce: [...options.announce] },
      transports: [tcp(), WebSockets.make],
      connectionManager: {
        reconnectRetries: 0,
        maxParallelReconnects: 0,
        inboundConnectionThreshold: 100,
        maxIncomingPendingConnections: 100,
        maxConnections: options.maxConnections
      },
      services: {
        identify: identify(),
        ping: ping(),
        heartbeats: Node.heartbeats,
        relay: circuitRelayServer(limits(options)),
        transports: Node.transports
      }
    })
  )

/**
 * Starts a relay that stops with the scope, gracefully within the stop deadline.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (input: typeof Options.Encoded) {
  const options = yield* readOptions(input)
  yield* Node.parseAddresses(options.announce)
  const node = yield* makeNode(options, yield* readSeed(options))
  const listen = yield* Node.readAddresses(node, options.listen)
  const { reservations } = node.services.relay
  /** A kernel that has gone cannot be reached; its place is free for another. */
  const onDisconnect = ({ detail }: { readonly detail: PeerId }): void => {
    reservations.get(detail)?.signal.clear()
    reservations.delete(detail)
  }

  yield* Effect.acquireRelease(
    Effect.promise(async () => node.start()),
    () => stop(node, { channels: [], closeTimeout: options.stopTimeout, deadline: options.stopTimeout })
  )
  node.addEventListener("peer:disconnect", onDisconnect)
  yield* Node.listen(node, listen)
  return RelayServer.of({
    peerId: node.peerId.toString(),
    addresses: Effect.sync(() => node.getMultiaddrs().map(String)),
    reservations: Effect.sync(() => Array.from(reservations.keys(), String))
  })
})

/**
 * A relay, for kernels that name one of its addresses in their option `relays`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: typeof Options.Encoded = {}): Layer.Layer<RelayServer, StartError> =>
  Layer.scoped(RelayServer, make(options))

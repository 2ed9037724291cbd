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
import { ArrayFormatter } from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createLibp2p } from "libp2p"
import type { InvalidAddressError } from "../errors/AddressError.ts"
import { InvalidOptionsError } from "../errors/ConfigError.ts"
import type { ListenError } from "../errors/ConnectionError.ts"
import { InvalidSeedError } from "../errors/IdentityError.ts"
import * as IdentityKey from "../internal/identityKey.ts"
import { Entropy } from "../services/Entropy.ts"
import { RelayServer } from "../services/RelayServer.ts"
import * as Node from "./libp2p/node.ts"
import { stop } from "./libp2p/stopping.ts"
import * as WebSockets from "./libp2p/webSockets.ts"

const given = <A>(schema: Schema.Schema<A>, allowed: string, fallback: () => A) =>
  Schema.optionalWith(schema.annotations({ message: () => ({ message: allowed, override: true }) }), {
    default: fallback,
    exact: true
  })

const count = (fallback: number) =>
  given(
    Schema.Number.pipe(Schema.filter((it) => Number.isSafeInteger(it) && it >= 1)),
    "must be a whole number from 1 on",
    () => fallback
  )

/** What timers have room for. */
const longest = Duration.days(24)

const duration = (fallback: Duration.Duration, least: Duration.Duration) =>
  given(
    Schema.DurationFromSelf.pipe(
      Schema.filter((it) => Duration.greaterThanOrEqualTo(it, least) && Duration.lessThanOrEqualTo(it, longest))
    ),
    `must be a duration from ${Duration.format(least)} to ${Duration.format(longest)}`,
    () => fallback
  )

const texts = (fallback: ReadonlyArray<string>) =>
  given(Schema.Array(Schema.String), "must be a list of multiaddrs", () => fallback)

/**
 * Every option and its default.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = Schema.Struct({
  /** Multiaddrs to listen on, TCP or WebSocket. */
  listen: texts(["/ip4/0.0.0.0/tcp/9002", "/ip4/0.0.0.0/tcp/9001/ws"]),
  /** Where the relay is reached from outside, if not where it listens: a public address, a name, a port of a proxy. */
  announce: texts([]),
  /** 32 bytes in hexadecimal that make the relay's key, and so its peer id; a fresh key for each start without it. */
  keySeed: Schema.optionalWith(
    Schema.RedactedFromSelf(Schema.String).annotations({
      message: () => ({ message: "must be a Redacted string", override: true })
    }),
    { exact: true }
  ),
  /** How many kernels may be reachable through the relay at once. */
  maxReservations: count(512),
  /** How many connections the relay has at most; beyond them idle ones are closed. */
  maxConnections: count(1024),
  /** How long a kernel stays reachable without asking again, which ours do in time. */
  reservationTtl: duration(Duration.hours(1), Duration.minutes(6)),
  /** How many bytes one relayed connection may carry, both ways together; kernels make a new one and go on. */
  maxConnectionBytes: count(1_073_741_824),
  /** How long one relayed connection may live; kernels make a new one and go on. */
  maxConnectionDuration: duration(Duration.hours(24), Duration.millis(1)),
  /** How long stopping may take. */
  stopTimeout: duration(Duration.seconds(2), Duration.millis(1))
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

const decode = Schema.decodeUnknown(Options, { errors: "all", onExcessProperty: "error" })

const readOptions = (options: typeof Options.Encoded): Effect.Effect<Options, InvalidOptionsError> =>
  Effect.mapError(
    decode(options),
    (error) =>
      new InvalidOptionsError({
        problems: ArrayFormatter.formatErrorSync(error).map(({ message, path }) => `${path.join(".")}: ${message}`)
      })
  )

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
      ...(await Node.common(keySeed)),
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

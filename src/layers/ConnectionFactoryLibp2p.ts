/**
 * `ConnectionFactory` on libp2p: TCP and WebSockets, noise, yamux.
 *
 * @since 0.1.0
 */
import type { Connection, PeerId as Libp2pPeerId, Stream } from "@libp2p/interface"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { InvalidAddressError } from "../errors/AddressError.ts"
import type { InvalidOptionsError } from "../errors/ConfigError.ts"
import { type ListenError, NetworkStoppedError } from "../errors/ConnectionError.ts"
import * as Declare from "../internal/options.ts"
import * as OptionTexts from "../internal/optionTexts.ts"
import * as PeerId from "../protocol/PeerId.ts"
import { type Channel, ConnectionFactory, type IncomingChannel } from "../services/ConnectionFactory.ts"
import { RemoteIdentity } from "../services/RemoteIdentity.ts"
import { RemotesConfig } from "../services/RemotesConfig.ts"
import * as Channels from "./libp2p/channels.ts"
import * as Dialer from "./libp2p/dialer.ts"
import * as Node from "./libp2p/node.ts"
import * as WsGater from "./libp2p/wsGater.ts"

/**
 * Every option and its default.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = Schema.Struct({
  listen: Declare.texts("multiaddrs to listen on, such as `/ip4/127.0.0.1/tcp/0` or `/ip4/127.0.0.1/tcp/0/ws`"),
  dialTimeout: Declare.duration("10 seconds", "how long one address may take for a connection and a stream on it"),
  dialStagger: Declare.duration(
    "250 millis",
    "how long a dial waits for one address before it tries the next one beside it"
  ),
  closeTimeout: Declare.duration("1 second", "how long a graceful close of a channel may take"),
  stopTimeout: Declare.inheritedDuration("that of `RemotesConfig`", "how long closing everything may take"),
  maxFrameSize: Declare.inheritedCount(
    "`maxMessageSize` of `RemotesConfig`",
    "the largest frame, in bytes, that is taken"
  ),
  allowedWsHosts: Declare.texts("hosts to which plain `ws` is dialed although they are not private"),
  protocols: Declare.someTexts(
    ["/effect-remotes/1", "whatever"],
    "the protocol ids that are offered and accepted, the preferred one first"
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Options = typeof Options.Type

const readOptions = Declare.decoder(Options)
const texts = OptionTexts.make(Options)

/**
 * The options that the environment, or another `ConfigProvider`, sets: `REMOTES_DIAL_TIMEOUT="5 seconds"` for `dialTimeout`,
 * `REMOTES_LISTEN` with commas between the addresses for `listen`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromConfig: Effect.Effect<
  Partial<Options>,
  InvalidOptionsError | ConfigError.ConfigError
> = texts.fromConfig

/**
 * The options that a query string sets, as for `RemotesConfig`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromQueryString: (search: string | undefined) => Either.Either<Partial<Options>, InvalidOptionsError> =
  texts.fromQueryString

/**
 * The query string from which `fromQueryString` reads the same options.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toQueryString: (options: typeof Options.Encoded) => Either.Either<string, InvalidOptionsError> =
  texts.toQueryString

/** As many channels that nobody has taken as the service promises. */
const mostIncoming = 256
/** As many lost peers that nobody has heard of as the service promises. */
const mostDisconnected = 256

const stoppedReason = () => new Error("the network is stopped")

/**
 * Peers get all that was sent, then the end of each stream, then of each connection; what takes longer than the deadline, less
 * the share that the node itself needs, is cut off.
 */
const stop = Effect.fnUntraced(
  function* (
    node: Node.Node,
    channels: ReadonlySet<Channel>,
    closeTimeout: Duration.Duration,
    deadline: Duration.Duration
  ) {
    const share = Duration.times(deadline, 0.25)
    const all = { concurrency: "unbounded", discard: true } as const
    const close = Effect.forEach([...channels], (channel) => channel.close, all)
    const hangUp = Effect.suspend(() =>
      Effect.forEach(node.getConnections(), (connection) => Node.hangUp(connection, closeTimeout), all)
    )
    const graceful = yield* Effect.zipRight(close, hangUp).pipe(
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
  Effect.annotateLogs({ package: "effect-remotes", module: "ConnectionFactoryLibp2p" })
)

/**
 * Starts a node that listens and dials; it stops with the scope, gracefully within the stop deadline, and leaves nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (input: typeof Options.Encoded) {
  const options = yield* readOptions(input)
  const config = yield* RemotesConfig
  const identity = yield* RemoteIdentity
  const { closeTimeout, maxFrameSize = config.maxMessageSize, stopTimeout = config.stopTimeout } = options
  const isAllowed = WsGater.make(options.allowedWsHosts)
  const node = yield* Node.make(Redacted.value(identity.keySeed), isAllowed)
  const addresses = yield* Node.readAddresses(node, options.listen)

  const stopped = yield* Deferred.make<never, NetworkStoppedError>()
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  const incoming = yield* Mailbox.make<IncomingChannel>({ capacity: mostIncoming, strategy: "dropping" })
  const disconnected = yield* Mailbox.make<PeerId.PeerId>({ capacity: mostDisconnected, strategy: "sliding" })
  const channels = Channels.make({ maxFrameSize, closeTimeout, run })
  let isStopped = false
  if (node.peerId.toString() !== identity.peerId)
    return yield* Effect.dieMessage("the peer id is not that of the key seed")

  /** Libp2p resets the stream of a handler that fails. */
  const onStream = async (stream: Stream, connection: Connection): Promise<void> => {
    if (isStopped) throw stoppedReason()
    const channel = channels.adopt(stream, connection)
    const accept = Effect.acquireRelease(Effect.succeed(channel), (it) => it.close)
    if (incoming.unsafeOffer({ peerId: channel.peerId, accept, refuse: channel.abort })) return
    throw new Error("too many incoming channels wait")
  }
  const onDisconnect = ({ detail }: { readonly detail: Libp2pPeerId }): void => {
    const peer = PeerId.fromString(detail.toString())
    if (Either.isRight(peer)) disconnected.unsafeOffer(peer.right)
  }
  const shutDown = Effect.gen(function* () {
    isStopped = true
    node.removeEventListener("peer:disconnect", onDisconnect)
    yield* Deferred.fail(stopped, new NetworkStoppedError())
    yield* Effect.forEach(yield* incoming.clear, (channel) => channel.refuse(stoppedReason()), { discard: true })
    yield* Effect.zipRight(incoming.end, disconnected.end)
    yield* stop(node, channels.open, closeTimeout, stopTimeout)
  })

  yield* Effect.acquireRelease(
    Effect.promise(async () => node.start()),
    () => shutDown
  )
  node.addEventListener("peer:disconnect", onDisconnect)
  yield* Effect.promise(() => node.handle([...options.protocols], onStream, { runOnLimitedConnection: true }))
  yield* Node.listen(node, addresses)

  const dialStream = Dialer.make(node, { ...options, isAllowed, run, stopped: Deferred.await(stopped) })
  const take = ({ connection, stream }: Dialer.Opened) => {
    if (isStopped) {
      stream.abort(stoppedReason())
      return Effect.fail(new NetworkStoppedError())
    }
    return Effect.acquireRelease(
      Effect.sync(() => channels.adopt(stream, connection)),
      (channel) => channel.close
    )
  }
  const dial = Effect.fn("ConnectionFactory.dial", { attributes: { package: "effect-remotes" } })(
    (peer: PeerId.PeerId, hints: ReadonlyArray<string>) =>
      Effect.suspend(() => (isStopped ? Effect.fail(new NetworkStoppedError()) : dialStream(peer, hints, take)))
  )
  return ConnectionFactory.of({
    localPeerId: identity.peerId,
    listenAddresses: Effect.sync(() => node.getMultiaddrs().map(String)),
    dial,
    incoming,
    disconnected
  })
})

/**
 * A kernel's place in the network: dials and accepts with the key of its `RemoteIdentity`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<ConnectionFactory, InvalidOptionsError | InvalidAddressError | ListenError, RemoteIdentity> =>
  Layer.scoped(ConnectionFactory, make(options))

/**
 * The same as `layer`, with the options that the environment sets (see `fromConfig`), or those that `config` reads.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config?: Config.Config.Wrap<typeof Options.Encoded>
): Layer.Layer<
  ConnectionFactory,
  InvalidOptionsError | InvalidAddressError | ListenError | ConfigError.ConfigError,
  RemoteIdentity
> => Layer.unwrapEffect(Effect.map(config === undefined ? fromConfig : Config.unwrap(config), layer))

/**
 * Channels over the simulated network of `testing/Network`: nothing leaves the process.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import {
  type DialError,
  DialFailedError,
  DialTimeoutError,
  NetworkStoppedError,
  NoAddressError
} from "../errors/ConnectionError.ts"
import { addressOf as placeOf } from "../internal/memoryChannel.ts"
import type { Kernel, MemoryNetwork } from "../internal/memoryNetwork.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { type Channel, ConnectionFactory, type IncomingChannel } from "../services/ConnectionFactory.ts"
import { RemoteIdentity } from "../services/RemoteIdentity.ts"
import { RemotesConfig } from "../services/RemotesConfig.ts"
import { Network } from "../testing/Network.ts"

/**
 * How a kernel takes part in the network. Everything has a default.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The protocol ids it dials with and listens for, the preferred first (default `/effect-remotes/1`, `whatever`). */
  readonly protocols?: ReadonlyArray<string>
  /** The largest frame that it takes, in bytes (default: `maxMessageSize` of `RemotesConfig`). */
  readonly maxFrameSize?: number
  /** The names of the relays by which alone it can be reached (default: it can be dialed itself). */
  readonly relays?: ReadonlyArray<string>
}

const incomingLimit = 256

/**
 * The address of a kernel on the simulated network.
 *
 * @since 0.1.0
 * @category addresses
 */
export const addressOf = (peer: PeerId): string => placeOf(peer, undefined)

/**
 * The address of a kernel behind a relay of the simulated network, which is any name.
 *
 * @since 0.1.0
 * @category addresses
 */
export const relayedAddressOf = (peer: PeerId, relay: string): string => placeOf(peer, relay)

const register = Effect.fnUntraced(function* (core: MemoryNetwork, peerId: PeerId, options: Options) {
  const { maxMessageSize } = yield* RemotesConfig
  const kernel: Kernel = {
    peerId,
    protocols: options.protocols ?? ["/effect-remotes/1", "whatever"],
    maxFrameSize: options.maxFrameSize ?? maxMessageSize,
    incoming: yield* Mailbox.make<IncomingChannel>({ capacity: incomingLimit, strategy: "dropping" }),
    disconnected: yield* Mailbox.make<PeerId>({ capacity: incomingLimit, strategy: "sliding" }),
    ends: new Set(),
    untaken: new Set(),
    relays: options.relays,
    connected: new Map(),
    stopped: yield* Deferred.make<never, NetworkStoppedError>(),
    running: true
  }
  if (core.kernels.has(peerId)) return yield* Effect.dieMessage(`${peerId} is on the network already`)
  core.kernels.set(peerId, kernel)
  return kernel
})

/** Waits on the Clock, unless the kernel stops first. */
const pause = (core: MemoryNetwork, kernel: Kernel, millis: number): Effect.Effect<void, NetworkStoppedError> =>
  Effect.suspend(() => {
    core.dialing++
    return Deferred.await(kernel.stopped).pipe(
      Effect.interruptible,
      Effect.timeoutOption(millis),
      Effect.asVoid,
      Effect.ensuring(Effect.sync(() => core.dialing--))
    )
  })

/** A way to a peer, and the relay on it. */
interface Route {
  readonly address: string
  readonly relay: string | undefined
}

const relayIn = (address: string): string | undefined => /^\/memory\/([^/]+)\/p2p-circuit\//.exec(address)?.[1]

/** Direct ways before those through relays, as in a real network. */
const routesTo = (
  core: MemoryNetwork,
  peer: PeerId,
  hints: ReadonlyArray<string>
): Effect.Effect<readonly [Route, ...ReadonlyArray<Route>], NoAddressError> => {
  const found = hints.flatMap((address): ReadonlyArray<Route> =>
    address.endsWith(`/p2p/${peer}`) ? [{ address, relay: relayIn(address) }] : []
  )
  const [first, ...others] = [
    ...found.filter(({ relay }) => relay === undefined).slice(0, 1),
    ...found.filter(({ relay }) => relay !== undefined)
  ]
  if (first !== undefined) return Effect.succeed([first, ...others])
  return core.settings.discover
    ? Effect.succeed([{ address: addressOf(peer), relay: undefined }])
    : Effect.fail(new NoAddressError({ peerId: peer }))
}

/** Tries one way after the other, for as long as the next one may lead further. */
const approach = Effect.fnUntraced(function* (
  core: MemoryNetwork,
  kernel: Kernel,
  peer: PeerId,
  hints: ReadonlyArray<string>
) {
  if (!kernel.running) return yield* new NetworkStoppedError()
  const [first, ...others] = yield* routesTo(core, peer, hints)
  core.path(kernel.peerId, peer).dials++
  let found = yield* Effect.either(follow(core, kernel, peer, first))
  for (const route of others) {
    if (Either.isRight(found) || found.left._tag !== "DialFailedError") break
    found = yield* Effect.either(follow(core, kernel, peer, route))
  }
  return yield* found
})

/** Waits the round trip, and for as long as nobody answers; then the way is free. */
const follow = Effect.fnUntraced(function* (core: MemoryNetwork, kernel: Kernel, peer: PeerId, route: Route) {
  const { address, relay } = route
  const [there, back] = [core.path(kernel.peerId, peer), core.path(peer, kernel.peerId)]
  core.record("dial", kernel.peerId, peer, address)
  const timeout = core.settings.dialTimeout
  const deadline = Duration.toMillis(timeout)
  const roundTrip = Math.min(there.latency + back.latency, deadline)
  if (roundTrip > 0) yield* pause(core, kernel, roundTrip)
  const obstacle = roundTrip < deadline ? core.obstacle(kernel.peerId, peer, relay) : "hang"
  if (obstacle === "none") return route
  if (obstacle !== "hang") return yield* new DialFailedError({ peerId: peer, address, code: obstacle.code })
  if (roundTrip < deadline) yield* pause(core, kernel, deadline - roundTrip)
  return yield* new DialTimeoutError({ peerId: peer, address, timeout })
})

/** Opens the channel, and those that a faulty network opens before it, in one step with what is true at that moment. */
const connect = (
  core: MemoryNetwork,
  kernel: Kernel,
  peer: PeerId,
  { address, relay }: Route
): Effect.Effect<Channel, DialError, Scope.Scope> =>
  Effect.suspend((): Effect.Effect<Channel, DialError, Scope.Scope> => {
    const failed = (code: string) => Effect.fail(new DialFailedError({ peerId: peer, address, code }))
    const listener = core.kernels.get(peer)
    if (!kernel.running) return Effect.fail(new NetworkStoppedError())
    if (listener === undefined) return failed("ECONNREFUSED")
    if (listener === kernel) return failed("DialError")
    const protocol = kernel.protocols.find((it) => listener.protocols.includes(it))
    if (protocol === undefined) return failed("UnsupportedProtocolError")
    const ends: Array<Channel> = []
    for (let copies = core.path(kernel.peerId, peer).duplicates; copies > 0; copies--) {
      ends.push(core.open(kernel, listener, protocol, relay))
    }
    const channel = core.open(kernel, listener, protocol, relay)
    ends.push(channel)
    return Effect.as(
      Effect.addFinalizer(() => Effect.forEach(ends, (end) => end.close, { discard: true })),
      channel
    )
  })

const dialFrom =
  (core: MemoryNetwork, kernel: Kernel) =>
  (peer: PeerId, hints: ReadonlyArray<string>): Effect.Effect<Channel, DialError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      restore(approach(core, kernel, peer, hints)).pipe(
        Effect.flatMap((route) => connect(core, kernel, peer, route)),
        Effect.tapError((error) => Effect.sync(() => core.record("dialFailed", kernel.peerId, peer, error._tag)))
      )
    )

/**
 * Puts a kernel on the simulated network until the scope closes: then every channel of it has ended gracefully, and nobody
 * reaches it any more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  peerId: PeerId,
  options: Options = {}
): Effect.fn.Return<Context.Tag.Service<ConnectionFactory>, never, Network | Scope.Scope> {
  const { core } = yield* Network
  const kernel = yield* Effect.acquireRelease(register(core, peerId, options), (it) => core.stop(it))
  return {
    localPeerId: peerId,
    listenAddresses: Effect.succeed(
      options.relays?.map((relay) => relayedAddressOf(peerId, relay)) ?? [addressOf(peerId)]
    ),
    dial: dialFrom(core, kernel),
    incoming: kernel.incoming,
    disconnected: kernel.disconnected,
    keepsRelays: false,
    resetBackoffs: Effect.void
  }
})

/**
 * A kernel with this peer id on the simulated network.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPeer = (peerId: PeerId, options: Options = {}): Layer.Layer<ConnectionFactory, never, Network> =>
  Layer.scoped(ConnectionFactory, make(peerId, options))

/**
 * The kernel that `RemoteIdentity` names, on the simulated network with these options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (options: Options): Layer.Layer<ConnectionFactory, never, Network | RemoteIdentity> =>
  Layer.scoped(
    ConnectionFactory,
    Effect.flatMap(RemoteIdentity, ({ peerId }) => make(peerId, options))
  )

/**
 * The kernel that `RemoteIdentity` names, on the simulated network.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ConnectionFactory, never, Network | RemoteIdentity> = layerWith({})

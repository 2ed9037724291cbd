/**
 * `ConnectionFactory` on libp2p, on whatever transports it is given.
 *
 * @internal
 */
import type { Connection, PeerId as Libp2pPeerId, Stream } from "@libp2p/interface"
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberSet from "effect/FiberSet"
import * as Mailbox from "effect/Mailbox"
import * as Redacted from "effect/Redacted"
import { InvalidAddressError } from "../../errors/AddressError.ts"
import { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import * as PeerId from "../../protocol/PeerId.ts"
import { type Channel, ConnectionFactory, type IncomingChannel } from "../../services/ConnectionFactory.ts"
import { RemoteIdentity } from "../../services/RemoteIdentity.ts"
import { RemotesConfig } from "../../services/RemotesConfig.ts"
import * as Channels from "./channels.ts"
import * as Connections from "./connections.ts"
import * as Dialer from "./dialer.ts"
import * as Node from "./node.ts"
import * as Options from "./options.ts"
import * as RelayKeeper from "./relayKeeper.ts"
import * as Relays from "./relays.ts"
import { stop, stoppedReason } from "./stopping.ts"
import * as WsGater from "./wsGater.ts"

const isForLibp2p = (it: unknown): it is Node.TransportFactory => typeof it === "function"
/** Those that a caller brings along come first: they know better than ours what to do with an address. */
const allTransports = ({ transports }: Options.Read, ours: Node.Platform["transports"]) => [
  ...transports.map(({ transport }) => transport).filter(isForLibp2p),
  ...ours
]
const allAddresses = ({ listen, transports }: Options.Read): ReadonlyArray<string> => [
  ...listen,
  ...transports.flatMap((it) => it.listen ?? [])
]

/** As many channels that nobody has taken as the service promises. */
const mostIncoming = 256
/** As many lost peers that nobody has heard of as the service promises. */
const mostDisconnected = 256

/**
 * The peers with whom there has been a channel since they connected: only they are missed. Relays and strangers are not.
 */
const makeAcquaintances = (disconnected: Mailbox.Mailbox<PeerId.PeerId>) => {
  const peers = new Set<string>()
  return {
    add: (channel: Channel): Channel => {
      if (channel.status() === "open") peers.add(channel.peerId)
      return channel
    },
    onDisconnect: ({ detail }: { readonly detail: Libp2pPeerId }): void => {
      if (!peers.delete(detail.toString())) return
      const peer = PeerId.fromString(detail.toString())
      if (Either.isRight(peer)) disconnected.unsafeOffer(peer.right)
    }
  }
}

/** Reads the relays; whoever is malformed is left out, so that it never stops a start. */
const readRelays = Effect.fnUntraced(
  function* (texts: ReadonlyArray<string>) {
    const { malformed, relays } = Relays.read(texts)
    yield* Effect.forEach(
      malformed,
      (address) =>
        Effect.logWarning(
          `Relay skipped: ${new InvalidAddressError({ address, reason: "no relay's multiaddr" }).message}`
        ),
      { discard: true }
    )
    return relays
  },
  Effect.annotateLogs({ package: "effect-remotes", module: "Relays" })
)

/** Keeps a place at each relay as long as the scope lives. */
const keepPlaces = (node: Node.Node, relays: ReadonlyArray<Relays.Relay>, options: Omit<Relays.Options, "store">) =>
  Effect.gen(function* () {
    const store = node.services.transports.reservations()
    if (store === undefined) return yield* Effect.dieMessage("the node has no circuit relay transport")
    const keepers = relays.map((relay) => RelayKeeper.make(Relays.harbour(node, relay, { ...options, store })))
    yield* Effect.forEach(keepers, ({ run }) => Effect.forkScoped(Effect.interruptible(run)), { discard: true })
    return {
      addresses: () => relays.flatMap((relay) => Relays.listenAddresses(node, store, relay)),
      resetBackoffs: Effect.forEach(keepers, ({ wake }) => wake, { discard: true })
    }
  })

/**
 * Starts a node that listens and dials; it stops with the scope, gracefully within the stop deadline, and leaves nothing.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function* (input: Options.Given, platform: Node.Platform) {
  const options = yield* Options.read(input)
  const config = yield* RemotesConfig
  const identity = yield* RemoteIdentity
  const { closeTimeout, maxFrameSize = config.maxMessageSize, stopTimeout = config.stopTimeout } = options
  const relays = yield* readRelays(options.relays)
  const isAllowed = WsGater.make([...options.allowedWsHosts, ...WsGater.plainHosts(Relays.addresses(relays))])
  const keySeed = Redacted.value(identity.keySeed)
  const node = yield* Node.make({
    keySeed,
    busyPolling: options.busyPolling,
    isAllowed,
    places: config.maxConcurrentConnections,
    platform: { ...platform, transports: allTransports(options, platform.transports) }
  })
  const addresses = yield* Node.readAddresses(node, allAddresses(options))

  const stopped = yield* Deferred.make<never, NetworkStoppedError>()
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  const incoming = yield* Mailbox.make<IncomingChannel>({ capacity: mostIncoming, strategy: "dropping" })
  const disconnected = yield* Mailbox.make<PeerId.PeerId>({ capacity: mostDisconnected, strategy: "sliding" })
  const channels = Channels.make({ maxFrameSize, closeTimeout, run })
  const acquaintances = makeAcquaintances(disconnected)
  let isStopped = false
  if (node.peerId.toString() !== identity.peerId)
    return yield* Effect.dieMessage("the peer id is not that of the key seed")

  const adopt = (stream: Stream, connection: Connection) => acquaintances.add(channels.adopt(stream, connection))
  /** Libp2p resets the stream of a handler that fails. */
  const onStream = async (stream: Stream, connection: Connection): Promise<void> => {
    if (isStopped) throw stoppedReason()
    const channel = adopt(stream, connection)
    const accept = Effect.acquireRelease(Effect.succeed(channel), (it) => it.close)
    if (incoming.unsafeOffer({ peerId: channel.peerId, accept, refuse: (error) => channel.abort(error) })) return
    throw new Error("too many incoming channels wait")
  }
  const shutDown = Effect.gen(function* () {
    isStopped = true
    node.removeEventListener("peer:disconnect", acquaintances.onDisconnect)
    yield* Deferred.fail(stopped, new NetworkStoppedError())
    yield* Effect.forEach(yield* incoming.clear, (channel) => channel.refuse(stoppedReason()), { discard: true })
    yield* Effect.zipRight(incoming.end, disconnected.end)
    yield* stop(node, { channels: channels.open, closeTimeout, deadline: stopTimeout })
  })

  yield* Effect.acquireRelease(
    Effect.promise(async () => node.start()),
    () => shutDown
  )
  node.addEventListener("peer:disconnect", acquaintances.onDisconnect)
  yield* Effect.promise(() => node.handle([...options.protocols], onStream, { runOnLimitedConnection: true }))
  yield* Node.listen(node, addresses)

  const isKept = (peer: string) => relays.some(({ peerId }) => peerId === peer)
  const connections = yield* Connections.make(node, { protocols: options.protocols, isKept, run })
  const places = yield* keepPlaces(node, relays, { ...options, connections })
  const dialStream = Dialer.make(node, {
    ...options,
    isAllowed,
    connections,
    relays: () => Relays.dialable(relays),
    run,
    stopped: Deferred.await(stopped)
  })
  const take = ({ connection, stream }: Dialer.Opened) => {
    if (isStopped) {
      stream.abort(stoppedReason())
      return Effect.fail(new NetworkStoppedError())
    }
    return Effect.acquireRelease(
      Effect.sync(() => adopt(stream, connection)),
      (channel) => channel.close
    )
  }
  const dial = Effect.fn("ConnectionFactory.dial", { attributes: { package: "effect-remotes" } })(
    (peer: PeerId.PeerId, hints: ReadonlyArray<string>) =>
      Effect.suspend(() => (isStopped ? Effect.fail(new NetworkStoppedError()) : dialStream(peer, hints, take)))
  )
  return ConnectionFactory.of({
    localPeerId: identity.peerId,
    listenAddresses: Effect.sync(() => Arr.dedupe([...node.getMultiaddrs().map(String), ...places.addresses()])),
    dial,
    incoming,
    disconnected,
    keepsRelays: relays.length > 0,
    resetBackoffs: places.resetBackoffs
  })
})

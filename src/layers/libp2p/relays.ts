/**
 * The relays through which this node can be reached.
 *
 * @internal
 */
import type { Connection, PeerId as Libp2pPeerId } from "@libp2p/interface"
import { peerIdFromString } from "@libp2p/peer-id"
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr"
import * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { acquireAbortable } from "../../internal/promise.ts"
import { type Attempt, staggered } from "../../internal/staggered.ts"
import * as Candidates from "./candidates.ts"
import type { ReservationStore } from "./circuit.ts"
import { abandoned, type Connections } from "./connections.ts"
import { codeOf } from "./errors.ts"
import * as Node from "./node.ts"
import { type Harbour, RelayFailed } from "./relayKeeper.ts"

/**
 * One relay, at one or several addresses. Who it is may not be known before there is a connection to it.
 *
 * @internal
 */
export interface Relay {
  readonly addresses: Arr.NonEmptyReadonlyArray<Multiaddr>
  peerId: string | undefined
}

const idIn = (address: Multiaddr): string | undefined => {
  const last = address.getComponents().at(-1)
  return last?.name === "p2p" ? last.value : undefined
}

const isUsable = (address: Multiaddr): boolean => {
  const parts = address.getComponents()
  return parts.length > 1 && !parts.some(({ name }) => name === "p2p-circuit")
}

/**
 * Reads the addresses of relays: those of one relay together, and apart what is no address of a relay.
 *
 * @internal
 */
export const read = (
  texts: ReadonlyArray<string>
): { readonly relays: ReadonlyArray<Relay>; readonly malformed: ReadonlyArray<string> } => {
  const [malformed, addresses] = Arr.partitionMap(Arr.dedupe(texts), (text) =>
    Either.fromOption(Option.filter(Candidates.parse(text), isUsable), () => text)
  )
  const groups = Object.values(Arr.groupBy(addresses, (address) => idIn(address) ?? address.toString()))
  return { malformed, relays: groups.map(([first, ...rest]) => ({ addresses: [first, ...rest], peerId: idIn(first) })) }
}

/**
 * All addresses of relays, as they were given.
 *
 * @internal
 */
export const addresses = (relays: ReadonlyArray<Relay>): ReadonlyArray<Multiaddr> =>
  relays.flatMap((it) => it.addresses)

/**
 * The addresses of relays whose peer id is known, each ending in it; only through such can others be dialed.
 *
 * @internal
 */
export const dialable = (relays: ReadonlyArray<Relay>): ReadonlyArray<string> =>
  relays.flatMap(({ addresses, peerId }) =>
    peerId === undefined
      ? []
      : addresses.map((it) => (idIn(it) === undefined ? it.encapsulate(`/p2p/${peerId}`) : it).toString())
  )

/** No relay needs to be announced at more addresses. */
const mostAddresses = 4

/**
 * The addresses at which others reach this node through a relay where it has a reservation.
 *
 * @internal
 */
export const listenAddresses = (node: Node.Node, store: ReservationStore, relay: Relay): ReadonlyArray<string> => {
  const reservation = relay.peerId === undefined ? undefined : store.getReservation(peerIdFromString(relay.peerId))
  const read = Option.liftThrowable((bytes: Uint8Array) => multiaddr(bytes))
  const addresses = (reservation?.addrs ?? []).flatMap((bytes) => Option.toArray(read(bytes)))
  return addresses
    .slice(0, mostAddresses)
    .map((it) => it.encapsulate(`/p2p-circuit/p2p/${node.peerId.toString()}`).toString())
}

/**
 * @internal
 */
export interface Options {
  readonly dialTimeout: Duration.Duration
  readonly dialStagger: Duration.Duration
  readonly connections: Connections
  readonly store: ReservationStore
}

/** Waits until there is no reservation. */
const lost = (store: ReservationStore, relay: Libp2pPeerId): Effect.Effect<void> =>
  Effect.async((resume) => {
    const release = () => store.removeEventListener("relay:removed", look)
    const look = () => {
      if (store.hasReservation(relay)) return
      release()
      resume(Effect.void)
    }
    store.addEventListener("relay:removed", look)
    look()
    return Effect.sync(release)
  })

/**
 * How to get and keep a place at a relay, over a connection that is there, else over a new one.
 *
 * @internal
 */
export const harbour = (node: Node.Node, relay: Relay, { connections, store, ...options }: Options): Harbour => {
  const failed = (cause: unknown) => new RelayFailed({ code: codeOf(cause), cause })
  const inTime = Effect.timeoutFail({
    duration: options.dialTimeout,
    onTimeout: () => new RelayFailed({ code: "it did not answer in time" })
  })

  const toConnect = (address: Multiaddr): Attempt<Connection, RelayFailed> => {
    let connection: Connection | undefined
    return {
      grace: options.dialStagger,
      run: acquireAbortable((signal) => connections.join(address.toString(), signal), failed, {
        taken: (it) => (connection = it),
        late: connections.letGo
      }).pipe(inTime),
      release: () => connection !== undefined && connections.letGo(connection)
    }
  }
  const isOpen = ({ direct, limits, status }: Connection) => direct && limits === undefined && status === "open"
  const open = (): Connection | undefined =>
    relay.peerId === undefined ? undefined : node.getConnections(peerIdFromString(relay.peerId)).find(isOpen)
  const connect = Effect.suspend(() => {
    const known = open()
    if (known !== undefined) return Effect.succeed(known)
    return staggered(Arr.map(relay.addresses, toConnect), {
      isFinal: () => false,
      watch: Effect.never,
      use: (connection) =>
        Effect.sync(() => {
          relay.peerId ??= connection.remotePeer.toString()
          connections.unclaim(connection)
          return connection
        })
    })
  })
  /** A connection that serves nobody, and not even this, may be dead without anybody knowing. */
  const dropIfIdle = (connection: Connection) =>
    connections.carries(connection) ? Effect.void : Node.drop(connection, abandoned)

  return {
    name: relay.addresses[0].toString(),
    reserve: Effect.flatMap(connect, (connection) =>
      Effect.tryPromise({ try: () => store.addRelay(connection.remotePeer, "configured"), catch: failed }).pipe(
        inTime,
        Effect.tapError(() => dropIfIdle(connection))
      )
    ),
    lost: Effect.suspend(() => (relay.peerId === undefined ? Effect.void : lost(store, peerIdFromString(relay.peerId))))
  }
}

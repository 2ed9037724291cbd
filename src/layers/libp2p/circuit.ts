/**
 * The circuit relay transport of libp2p, so that it reserves where it is told to, again and again, and nowhere else.
 *
 * @internal
 */
import {
  type CircuitRelayTransportComponents,
  circuitRelayTransport,
  RELAY_V2_HOP_CODEC,
  RELAY_V2_STOP_CODEC
} from "@libp2p/circuit-relay-v2"
import type { Connection, DialTransportOptions, PeerId as Libp2pPeerId, Stream, Transport } from "@libp2p/interface"
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr"

/** A promise of a relay to pass on what comes for us. */
interface Reservation {
  /** The relay's own addresses, as multiaddrs in bytes. */
  readonly addrs: ReadonlyArray<Uint8Array>
}

/**
 * What is used of libp2p's book of reservations; it has no type that is exported.
 *
 * @internal
 */
export interface ReservationStore {
  /** Asks the relay for a reservation, over the open connection to it; renews one that soon ends, and keeps a fresh one. */
  readonly addRelay: (relay: Libp2pPeerId, type: "configured") => Promise<unknown>
  readonly getReservation: (relay: Libp2pPeerId) => Reservation | undefined
  readonly hasReservation: (relay: Libp2pPeerId) => boolean
  readonly addEventListener: (type: "relay:removed", listener: () => void) => void
  readonly removeEventListener: (type: "relay:removed", listener: () => void) => void
}

interface CircuitTransport extends Transport {
  readonly reservationStore: ReservationStore
  readonly onStop: (stream: Stream, connection: Connection) => Promise<void>
}

const isCircuitTransport = (it: object): it is CircuitTransport => "reservationStore" in it && "onStop" in it

/**
 * The book of reservations, among a node's transports.
 *
 * @internal
 */
export const reservationsOf = (transports: ReadonlyArray<Transport>): ReservationStore | undefined =>
  transports.find(isCircuitTransport)?.reservationStore

/**
 * The protocols of streams that carry a relayed connection, or ask for a reservation.
 *
 * @internal
 */
export const protocols: ReadonlyArray<string> = [RELAY_V2_HOP_CODEC, RELAY_V2_STOP_CODEC]

/**
 * The address of the relay that an address goes through, or undefined for a direct one.
 *
 * @internal
 */
export const relayOf = (address: Multiaddr): Multiaddr | undefined => {
  const [relay = "", ...rest] = address.toString().split("/p2p-circuit")
  return rest.length === 0 || relay === "" ? undefined : multiaddr(relay)
}

/** As many connections as the other end of a relay takes, so that other limits than libp2p's 64 streams are met first. */
const maxOutboundStreams = 300

/** How long a relay may take for a reservation; our own deadline on top of it is on the Effect `Clock`. */
const reservationCompletionTimeout = 30_000

/**
 * The transport for addresses with `/p2p-circuit`. Three things of libp2p's are changed, none of its public API; the tests of
 * relays fail should any of them ever move:
 *
 * - A relay that did not speak the relay protocol once, as when it had just started, would never be asked again.
 * - Whoever opens a stream for a relayed connection would make us reserve a place with him; now he must have one of ours.
 * - Listening is not left to it: a reservation of a listen address is not made again after it was lost.
 *
 * @internal
 */
export const make = (components: CircuitRelayTransportComponents): Transport => {
  const transport = circuitRelayTransport({
    reservationConcurrency: Number.POSITIVE_INFINITY,
    reservationCompletionTimeout
  })(components)
  if (!isCircuitTransport(transport)) throw new Error("the circuit relay transport has no reservations")
  const { reservationStore } = transport
  const dial = transport.dial.bind(transport)
  const onStop = transport.onStop.bind(transport)
  Object.assign(reservationStore, { relayFilter: { add: () => undefined, has: () => false } })
  return Object.assign(transport, {
    dial: (address: Multiaddr, options: DialTransportOptions) =>
      dial(address, { ...options, ...{ maxOutboundStreams } }),
    listenFilter: () => [],
    onStop: async (stream: Stream, connection: Connection): Promise<void> => {
      if (reservationStore.hasReservation(connection.remotePeer)) return onStop(stream, connection)
      throw new Error("there is no reservation at this relay")
    }
  })
}

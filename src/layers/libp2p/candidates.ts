/**
 * Where a peer may be reached, from hints that strangers may have written.
 *
 * @internal
 */
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr"
import * as Option from "effect/Option"
import type { PeerId } from "../../protocol/PeerId.ts"

/** More addresses than an honest peer has; what comes after them is not tried. */
const most = 25

/** What comes after these is not even read, nor is a text that is longer than any real address. */
const mostRead = 64
const maxLength = 512

/**
 * Reads a multiaddr.
 *
 * @internal
 */
export const parse = Option.liftThrowable((text: string): Multiaddr => multiaddr(text))

/**
 * What is known of a peer's whereabouts.
 *
 * @internal
 */
export interface Sources {
  readonly hints: ReadonlyArray<string>
  /** Relays that this side uses itself; whoever is not hinted anywhere may be there. */
  readonly relays: ReadonlyArray<string>
  /** The address that worked last. */
  readonly lastGood: string | undefined
  /** Whether there is a transport for an address. */
  readonly canDial: (address: Multiaddr) => boolean
}

const read = (texts: ReadonlyArray<string>): ReadonlyArray<Multiaddr> =>
  texts.slice(0, mostRead).flatMap((text) => (text.length > maxLength ? [] : Option.toArray(parse(text))))

const endsIn = (peer: PeerId, address: Multiaddr): boolean => {
  const last = address.getComponents().at(-1)
  return last?.name === "p2p" && last.value === peer
}
const isRelayed = (address: Multiaddr): boolean => address.getComponents().some(({ name }) => name === "p2p-circuit")

/** A relay must say who it is, and be no way through another one. */
const isRelay = (address: Multiaddr): boolean =>
  address.getComponents().at(-1)?.name === "p2p" && address.getComponents().length > 1 && !isRelayed(address)

/** Over WebRTC first, where there is a transport for it: then the relay only introduces the two. */
const throughRelay = (peer: PeerId, { canDial }: Sources, relay: Multiaddr): ReadonlyArray<Multiaddr> => {
  const direct = relay.encapsulate(`/p2p-circuit/webrtc/p2p/${peer}`)
  const relayed = relay.encapsulate(`/p2p-circuit/p2p/${peer}`)
  return canDial(direct) ? [direct, relayed] : [relayed]
}

/**
 * The addresses to dial, in order and each once: the one that worked last; the hints that end in the peer's own id, direct ones
 * before relayed ones; every other hint as a relay; the relays that this side knows. What is no multiaddr is left out.
 *
 * @internal
 */
export const make = (peer: PeerId, sources: Sources): ReadonlyArray<Multiaddr> => {
  const hints = read(sources.hints)
  const own = hints.filter((it) => endsIn(peer, it))
  const relays = [...hints.filter((it) => !endsIn(peer, it)), ...read(sources.relays)]
  const all = [
    ...read(sources.lastGood === undefined ? [] : [sources.lastGood]),
    ...own.filter((it) => !isRelayed(it)),
    ...own.filter(isRelayed),
    ...relays.filter((it) => isRelay(it) && !endsIn(peer, it)).flatMap((it) => throughRelay(peer, sources, it))
  ]
  return [...new Map(all.map((it) => [it.toString(), it])).values()].slice(0, most)
}

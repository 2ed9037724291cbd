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

/**
 * Reads a multiaddr.
 *
 * @internal
 */
export const parse = Option.liftThrowable((text: string): Multiaddr => multiaddr(text))

const isDirect = (peer: PeerId, address: Multiaddr): boolean => {
  const last = address.getComponents().at(-1)
  return last?.name === "p2p" && last.value === peer
}

/**
 * The addresses to dial, in order and each once: the one that worked last, then the hints that end in the peer's own id.
 * Other hints name relays, to be dialed as `<relay>/p2p-circuit/p2p/<peer>` behind the direct ones once there is a transport
 * for it. What is no multiaddr is left out.
 *
 * @internal
 */
export const make = (
  peer: PeerId,
  hints: ReadonlyArray<string>,
  lastGood: string | undefined
): ReadonlyArray<Multiaddr> => {
  const addresses = new Map<string, Multiaddr>()
  for (const text of lastGood === undefined ? hints : [lastGood, ...hints]) {
    const address = parse(text)
    if (Option.isSome(address) && isDirect(peer, address.value)) addresses.set(address.value.toString(), address.value)
    if (addresses.size === most) break
  }
  return [...addresses.values()]
}

/**
 * As whom this kernel introduces itself to a peer of which nothing is on record.
 *
 * Who was removed must hear of an incarnation that it has not heard of, and who was not must hear again what it has heard: it may have
 * said something that was not taken yet, and would take this kernel for one that lost its memory. To keep the name of everybody who was
 * ever removed would take ever more room, so that peers share a limited number of places.
 */
import { crc32 } from "./Crc32.ts"
import type { PeerId } from "./PeerId.ts"

/**
 * How many places there are.
 *
 * @internal
 */
export const places = 1024

const encoder = new TextEncoder()

/**
 * The place of a peer; others in it hear of a new incarnation, too, when that peer is removed.
 *
 * @internal
 */
export const placeOf = (peer: PeerId): number => crc32(encoder.encode(peer)) % places

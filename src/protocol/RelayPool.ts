/**
 * The relays that a kernel knows, as plain functions: which are kept, and which an OCAP URL names.
 *
 * @since 0.1.0
 */
import { multiaddr } from "@multiformats/multiaddr"
import type { KnownRelay } from "../services/RemoteStore.ts"

/**
 * Start relays in the operator's order, then learned relays, the newest first; each address once.
 *
 * @since 0.1.0
 * @category models
 */
export type RelayPool = ReadonlyArray<KnownRelay>

/**
 * A pool, and the relays for which it had no place.
 *
 * @since 0.1.0
 * @category models
 */
export interface Changed {
  readonly pool: RelayPool
  readonly evicted: RelayPool
}

/**
 * When a change takes place, and how many relays may be kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Terms {
  /** In milliseconds since the Unix epoch. */
  readonly now: number
  readonly maxKnownRelays: number
}

/**
 * How many relays are kept where nothing else is said.
 *
 * @since 0.1.0
 * @category limits
 */
export const defaultMaxKnownRelays = 20

/**
 * How many relays a URL names where nothing else is said.
 *
 * @since 0.1.0
 * @category limits
 */
export const defaultMaxUrlRelayHints = 3

const maxAddressLength = 512

/**
 * Whether the text is a multiaddr that names something, and no longer than any real one.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAddress = (text: string): boolean => {
  if (text.length > maxAddressLength) return false
  try {
    return multiaddr(text).getComponents().length > 0
  } catch {
    return false
  }
}

/** Sorting is stable, so start relays stay in the order in which they stand. */
const ranked = (pool: RelayPool): RelayPool => [
  ...pool.filter((it) => it.bootstrap),
  ...pool.filter((it) => !it.bootstrap).sort((a, b) => b.lastSeen - a.lastSeen)
]

/**
 * Keeps at most `max` relays: start relays first, in their order, then the most recently seen.
 *
 * @since 0.1.0
 * @category combinators
 */
export const cap = (pool: RelayPool, max: number): Changed => {
  const all = ranked(pool)
  return { pool: all.slice(0, max), evicted: all.slice(max) }
}

/**
 * Takes the relays of a start into the pool, as seen now. Those of an earlier start that are no longer among them stay,
 * as learned ones. Without start relays nobody is added or demoted.
 *
 * @since 0.1.0
 * @category combinators
 */
export const start = (pool: RelayPool, addresses: ReadonlyArray<string>, { maxKnownRelays, now }: Terms): Changed => {
  if (addresses.length === 0) return cap(pool, maxKnownRelays)
  const chosen = new Set(addresses)
  return cap(
    [
      ...Array.from(chosen, (address) => ({ address, lastSeen: now, bootstrap: true })),
      ...pool.filter((it) => !chosen.has(it.address)).map((it) => ({ ...it, bootstrap: false }))
    ],
    maxKnownRelays
  )
}

/**
 * Notes that relays were seen now: known ones are refreshed and keep their mark, others are added as learned ones.
 *
 * @since 0.1.0
 * @category combinators
 */
export const see = (pool: RelayPool, addresses: ReadonlyArray<string>, { maxKnownRelays, now }: Terms): Changed => {
  const seen = new Set(addresses)
  const known = pool.map((it) => (seen.delete(it.address) ? { ...it, lastSeen: now } : it))
  const learned = Array.from(seen, (address) => ({ address, lastSeen: now, bootstrap: false }))
  return cap([...learned, ...known], maxKnownRelays)
}

/**
 * The relays among the hints of a URL: addresses that end at neither of these peers. A stranger chose them, so at most `max`.
 *
 * @since 0.1.0
 * @category getters
 */
export const relaysAmong = (
  hints: ReadonlyArray<string>,
  peers: ReadonlyArray<string>,
  max: number
): ReadonlyArray<string> =>
  [...new Set(hints)]
    .filter((hint) => !peers.some((peer) => hint.endsWith(`/p2p/${peer}`)) && isAddress(hint))
    .slice(0, max)

/**
 * The addresses that a URL names: at most `max`, start relays first, then the most recently seen.
 *
 * @since 0.1.0
 * @category getters
 */
export const urlHints = (pool: RelayPool, max: number): ReadonlyArray<string> =>
  ranked(pool)
    .slice(0, max)
    .map((it) => it.address)

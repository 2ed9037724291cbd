import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { ResourceLimitError } from "../../errors/TransportError.ts"
import { monotonic } from "../../internal/monotonic.ts"
import * as Admission from "../../protocol/Admission.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Rate from "../../protocol/Rate.ts"
import * as Slots from "../../protocol/Slots.ts"
import type { Options } from "../../services/RemotesConfig.ts"

/**
 * Counts the channels of all links, and says which may be made.
 *
 * @internal
 */
export interface Doorkeeper {
  /** Takes a place for a channel to the peer, to be given back with `free`; says why not, if there is none. */
  readonly reserve: (peerId: PeerId) => ResourceLimitError | undefined
  readonly free: (peerId: PeerId) => void
  /**
   * As `reserve`, for a stream that the peer opened; `leave` follows when it has ended in both directions. A stranger gets
   * none of the places that are kept for others.
   */
  readonly admit: (peerId: PeerId, isStranger?: boolean) => ResourceLimitError | undefined
  readonly leave: (peerId: PeerId) => void
  /** Forgets peers of which nothing counts any more. */
  readonly sweep: () => void
  /** How many peers there is something to remember of. */
  readonly size: () => number
}

/** A crowd of peers that come once each is forgotten at every so many of them, not only at the next clean-up. */
const crowd = 1024

/**
 * @internal
 */
export const makeDoorkeeper = (options: Options): Effect.Effect<Doorkeeper> =>
  Effect.map(Clock.clockWith(Effect.succeed), (clock) => {
    const limits: Admission.Limits = {
      streams: options.maxStreamsPerPeer,
      handshakes: Rate.perMinute(options.maxHandshakesPerMinute)
    }
    const held = new Map<PeerId, number>()
    const guests = new Map<PeerId, Admission.State>()
    /** Who took its place as a stranger. */
    const strangers = new Set<PeerId>()
    let slots = Slots.make(options.maxConcurrentConnections)
    let sweepAt = crowd

    const reserve = (peerId: PeerId, isStranger = false): ResourceLimitError | undefined => {
      const count = held.get(peerId) ?? 0
      const taken = Slots.take(slots, count, isStranger)
      if (taken === undefined) {
        return new ResourceLimitError({ limit: "connections", current: slots.used, max: slots.max })
      }
      if (isStranger && count === 0) strangers.add(peerId)
      slots = taken
      held.set(peerId, count + 1)
      return undefined
    }
    const free = (peerId: PeerId): void => {
      const count = held.get(peerId) ?? 0
      if (count === 0) return
      slots = Slots.release(slots, count, strangers.has(peerId))
      if (count > 1) held.set(peerId, count - 1)
      else {
        held.delete(peerId)
        strangers.delete(peerId)
      }
    }
    const sweep = (): void => {
      const now = monotonic(clock)
      for (const [peerId, state] of guests) if (Admission.isEmpty(limits, state, now)) guests.delete(peerId)
      sweepAt = Math.max(crowd, 2 * guests.size)
    }
    return {
      reserve,
      free,
      admit: (peerId, isStranger) => {
        const admitted = Admission.admit(limits, guests.get(peerId) ?? Admission.empty, monotonic(clock))
        if (Either.isLeft(admitted)) return new ResourceLimitError(admitted.left)
        const refusal = reserve(peerId, isStranger)
        if (refusal !== undefined) return refusal
        guests.set(peerId, admitted.right)
        if (guests.size > sweepAt) sweep()
        return undefined
      },
      leave: (peerId) => {
        const state = guests.get(peerId)
        if (state !== undefined) guests.set(peerId, Admission.leave(state))
      },
      sweep,
      size: () => held.size + guests.size
    }
  })

/**
 * The set of a kernel's remotes.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import type { InvalidAddressError, InvalidPeerIdError } from "../errors/AddressError.ts"
import type { NetworkStoppedError } from "../errors/ConnectionError.ts"
import type { InvalidOcapUrlError, UnknownOcapUrlError } from "../errors/IdentityError.ts"
import type {
  OutcomeUnknownError,
  RedemptionRefusedError,
  RedemptionTimeoutError,
  RemotePendingError
} from "../errors/RemoteError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import type { ResourceLimitError } from "../errors/TransportError.ts"
import type { OcapUrl } from "../protocol/OcapUrl.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { DeliverError, RemoteHandleService, RemoteStatus } from "./RemoteHandle.ts"
import { RemoteHandle } from "./RemoteHandle.ts"

/**
 * What asking for a handle can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type GetError = InvalidPeerIdError | InvalidAddressError | ResourceLimitError | NetworkStoppedError | StoreError

/**
 * What a redemption can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type RedeemError =
  | InvalidOcapUrlError
  | UnknownOcapUrlError
  | RedemptionRefusedError
  | RedemptionTimeoutError
  | OutcomeUnknownError
  | DeliverError

/**
 * The set of a kernel's remotes: one handle per peer, made on first use or first valid contact, and restored from the store
 * at start, with what was pending.
 *
 * @since 0.1.0
 * @category tags
 */
export class Remotes extends Context.Tag("effect-remotes/Remotes")<
  Remotes,
  {
    readonly localPeerId: PeerId
    /**
     * The handle for a peer; the same one for the same peer. `hints` are added to the addresses on record. Fails with
     * `InvalidPeerIdError` when the text is no peer id, with `InvalidAddressError` when a hint is no multiaddr (then none is
     * added), with `ResourceLimitError` when there are `maxRemotes` already.
     */
    readonly get: (
      peer: string,
      options?: { readonly hints?: ReadonlyArray<string> }
    ) => Effect.Effect<RemoteHandleService, GetError>
    /** What every handle is doing. */
    readonly list: Effect.Effect<ReadonlyArray<RemoteStatus>>
    /**
     * What every handle is doing now, and each that changes or is new from then on, again. A slow reader holds nothing up: it
     * gets only the newest of each. Ends with the layer's scope.
     */
    readonly changes: Stream.Stream<RemoteStatus>
    /**
     * Forgets a peer for good: its record, its addresses, and in the kernel, by `KernelPort.forget`, what it gave. Its
     * handle is of no use afterwards; dead letters stay. Does nothing for a peer that is not there. Fails with
     * `RemotePendingError` while messages or redemptions are pending. Cannot be used inside of a transaction.
     *
     * By default remotes are never forgotten by themselves, however long their peer is away. With the option `expireEmptyRemotesAfter`
     * one that is empty is, as if it was removed: handles that were got before are of no use, and `get` gives another.
     *
     * To a peer that comes again after it was removed this kernel is one that lost its memory: it states another incarnation, and the
     * peer, one of the base profile as well, forgets what it had on record. What it had sent and not seen acknowledged ends with its
     * outcome unknown; nothing is delivered twice.
     */
    readonly remove: (
      peer: string
    ) => Effect.Effect<void, InvalidPeerIdError | RemotePendingError | NetworkStoppedError | StoreError>
    /**
     * Makes a URL that names `reference` to everybody who has it, with the addresses at which this kernel listens; as
     * `RemoteIdentity.issueOcapUrl`.
     */
    readonly issueOcapUrl: (
      reference: string,
      options?: { readonly expiresIn?: Duration.DurationInput }
    ) => Effect.Effect<OcapUrl, ResourceLimitError | StoreError>
    /** Makes a URL of this kernel name nothing from now on; as `RemoteIdentity.revokeOcapUrl`. */
    readonly revokeOcapUrl: (url: string) => Effect.Effect<void, InvalidOcapUrlError | UnknownOcapUrlError | StoreError>
    /**
     * Answers with the reference by which to call what the URL names: for a URL of this kernel its own reference, without any
     * network; for another kernel's by asking it.
     */
    readonly redeemOcapUrl: (url: string) => Effect.Effect<string, RedeemError>
  }
>() {}

/**
 * The handle of one peer as a service, for a program that talks to just one.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHandle = (
  peer: string,
  options?: { readonly hints?: ReadonlyArray<string> }
): Layer.Layer<RemoteHandle, GetError, Remotes> =>
  Layer.effect(
    RemoteHandle,
    Effect.flatMap(Remotes, (remotes) => remotes.get(peer, options))
  )

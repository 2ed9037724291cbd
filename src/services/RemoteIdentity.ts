/**
 * Who this kernel is, and the OCAP URLs it issues.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { InvalidOcapUrlError, UnknownOcapUrlError } from "../errors/IdentityError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import type { ResourceLimitError } from "../errors/TransportError.ts"
import type { OcapUrl } from "../protocol/OcapUrl.ts"
import type { PeerId } from "../protocol/PeerId.ts"

/**
 * Who this kernel is: made once, stored, and the same at every later start. It works without any network.
 *
 * @since 0.1.0
 * @category tags
 */
export class RemoteIdentity extends Context.Tag("effect-remotes/RemoteIdentity")<
  RemoteIdentity,
  {
    readonly peerId: PeerId
    /** Names this life of the kernel's store. */
    readonly incarnationId: string
    /** The Ed25519 key seed, 32 bytes; for the network node and nobody else. */
    readonly keySeed: Redacted.Redacted<Uint8Array>
    /**
     * Makes a URL that names `reference` to everybody who has it. `hints` say where this kernel can be reached; direct ones
     * (ending in `/p2p/<own peer id>`) come first, then at most `maxUrlRelayHints` (default 3) relays: known bootstrap
     * relays, then the most recently seen.
     *
     * The URL is good from the commit on (inside `RemoteStore.transaction`: of that one), until it is revoked or `expiresIn`
     * has passed. Each call makes a URL of its own, also for the same reference. Fails with `ResourceLimitError` when
     * `maxIssuedUrls` (default 100,000) are on record that are still good.
     */
    readonly issueOcapUrl: (
      reference: string,
      options?: { readonly hints?: ReadonlyArray<string>; readonly expiresIn?: Duration.DurationInput }
    ) => Effect.Effect<OcapUrl, ResourceLimitError | StoreError>
    /**
     * Finds the reference that a URL of this kernel names. Never touches the network. Fails with `InvalidOcapUrlError` when
     * the text is no OCAP URL, with `UnknownOcapUrlError` when another kernel, or another life of this one, issued it, or
     * it is not good any more.
     */
    readonly redeemOcapUrl: (
      url: string
    ) => Effect.Effect<string, InvalidOcapUrlError | UnknownOcapUrlError | StoreError>
    /**
     * Makes a URL of this kernel name nothing from the commit on. What was redeemed before stays as it is. Idempotent; for
     * one that this kernel did not issue it fails as `redeemOcapUrl` does.
     */
    readonly revokeOcapUrl: (url: string) => Effect.Effect<void, InvalidOcapUrlError | UnknownOcapUrlError | StoreError>
    /**
     * Notes that relays were seen now, such as those that a redeemed URL of `peer` names: what is a multiaddr and does not lead
     * to `peer` itself, at most `maxUrlRelayHints` at a time, within `maxKnownRelays`. They get into URLs of this kernel;
     * a start relay is never pushed out, and none that was only seen is ever taken for one.
     */
    readonly learnRelays: (peer: PeerId, hints: ReadonlyArray<string>) => Effect.Effect<void, StoreError>
  }
>() {}

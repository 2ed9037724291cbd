/**
 * The kernel's view of one peer.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { NetworkStoppedError } from "../errors/ConnectionError.ts"
import type {
  DeliveryExpiredError,
  DeliveryRejectedError,
  OutcomeUnknownError,
  RedemptionRefusedError,
  RedemptionTimeoutError
} from "../errors/RemoteError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import type { ResourceLimitError } from "../errors/TransportError.ts"
import type { Delivery } from "../protocol/Delivery.ts"
import type { OcapUrl } from "../protocol/OcapUrl.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { LinkState } from "./Transport.ts"

/**
 * Proof that a message was accepted: it is (or will be, with the surrounding transaction) durable, and will arrive exactly
 * once or be reported.
 *
 * @since 0.1.0
 * @category models
 */
export interface Receipt {
  /** The message's number in the conversation; 0 for a `BringOutYourDead` that was suppressed as an echo. */
  readonly seq: number
  /**
   * Waits until the peer has committed the message. Fails with `DeliveryRejectedError` when its kernel refused it, with
   * `DeliveryExpiredError` when it was not sent before its deadline, with `ResourceLimitError` (`messageSize`) when it proved to be
   * larger than the peer takes, and with the reason when its fate will not be known. Waits for as long as the peer is away; it has
   * no deadline of its own.
   */
  readonly acknowledged: Effect.Effect<
    void,
    DeliveryRejectedError | DeliveryExpiredError | ResourceLimitError | OutcomeUnknownError | NetworkStoppedError
  >
}

/**
 * What a handle is doing, for people and dashboards.
 *
 * @since 0.1.0
 * @category models
 */
export interface RemoteStatus {
  readonly peerId: PeerId
  /** When this was so, in milliseconds since the Unix epoch. */
  readonly at: number
  readonly link: LinkState
  /** How many messages wait for the peer's acknowledgement, and how many bytes they have. */
  readonly pendingMessages: number
  readonly pendingBytes: number
  /**
   * Since when the oldest of them waits, told too early by a second at most, or by a sixteenth of it;
   * for what was pending before this process: since its start. Undefined if none is pending.
   */
  readonly oldestPendingAt: number | undefined
  /** The number that the next message gets. */
  readonly nextSeq: number
  readonly acknowledgedSeq: number
  readonly receivedSeq: number
  /** Whether messages of the peer wait because the kernel or the store could not take them. */
  readonly held: boolean
  /** How many messages this handle has transmitted again since it was made. */
  readonly resent: number
  /** How many messages of the peer's never came, and were passed, since this handle was made. */
  readonly lostByPeer: number
}

/**
 * What `deliver` can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type DeliverError = ResourceLimitError | NetworkStoppedError | StoreError

/**
 * The kernel's view of one peer: what is handed to it arrives at the peer exactly once and in order, or comes back as a
 * typed error.
 *
 * @since 0.1.0
 * @category tags
 */
export class RemoteHandle extends Context.Tag("effect-remotes/RemoteHandle")<RemoteHandle, RemoteHandleService>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface RemoteHandleService {
  readonly peerId: PeerId
  /**
   * Accepts a delivery for the peer.
   *
   * Inside `RemoteStore.transaction` it joins it: the message is durable, and leaves, with the commit. It never waits there;
   * beyond twice the pending limits it fails with `ResourceLimitError`. Outside it is durable before this returns (many at
   * once share one commit), and waits while the pending limits (default 10,000 messages, 64 MiB) are reached; with the option
   * `overflow: "fail"` it fails with `ResourceLimitError` instead.
   *
   * Everything but a `Message` is the kernel's own traffic and has a reserve beyond these limits (default 1,000 messages, 8 MiB),
   * in a transaction as well as outside; only when that is taken up, too, does it wait or fail like a `Message`.
   *
   * A `BringOutYourDead` is suppressed, uses no number and counts as acknowledged, once for each that the peer's kernel has sent
   * since the last one was: it only says what the reap that the peer asked for ends with.
   *
   * A message over `maxMessageSize`, or larger than what a peer of ours said to take at its last handshake, fails with `ResourceLimitError` (`messageSize`) and uses no number.
   *
   * With `expiresIn`, counted from the call, the message is not transmitted for the first time after its deadline, also not by a later
   * life of this kernel: `Receipt.acknowledged` fails with `DeliveryExpiredError` then, and the message is kept as a dead letter. What may
   * have been transmitted before is left to arrive, however late, because its outcome would not be known otherwise; who does not
   * want to wait for that stops waiting. An expired message counts among the pending ones, without its bytes, until the peer has
   * passed its number.
   */
  readonly deliver: (
    delivery: Delivery,
    options?: { readonly expiresIn?: Duration.DurationInput | undefined }
  ) => Effect.Effect<Receipt, DeliverError>
  /**
   * Asks the peer for what an OCAP URL of its names, and answers with the reference by which to call it. Fails with
   * `RedemptionTimeoutError` after (`redemptionRetries` + 1) × `ackTimeout` (default 40 s).
   *
   * The question is on record, by a digest of the URL: asked again within that time, also after a crash of this kernel, it is not
   * sent again, and the answer to the first one serves, whenever it came. An answer that nobody waits for any more is ignored.
   */
  readonly redeemOcapUrl: (
    url: OcapUrl
  ) => Effect.Effect<string, RedemptionRefusedError | RedemptionTimeoutError | OutcomeUnknownError | DeliverError>
  /**
   * Gives up everything that is pending for the peer: it is kept as dead letters with its outcome unknown, waiters fail with
   * `GivenUpError`, and the kernel is told through `KernelPort.forget`. The handle can be used again afterwards. Idempotent.
   */
  readonly giveUp: (reason: string) => Effect.Effect<void, StoreError>
  readonly status: Effect.Effect<RemoteStatus>
  /**
   * The status now, and again whenever the link's state changes or messages are acknowledged or received. A slow reader holds
   * nothing up, and gets only the newest.
   */
  readonly changes: Stream.Stream<RemoteStatus>
}

/**
 * What ended other than well, and what to do about it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
import type { InvalidPeerIdError } from "../errors/AddressError.ts"
import type { DeadLetterNotFoundError, NotRedrivableError } from "../errors/DeadLetterError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import type { Delivery } from "../protocol/Delivery.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { DeliveryRefused, KernelBusy } from "./KernelPort.ts"
import type { DeliverError, Receipt } from "./RemoteHandle.ts"
import type { DeadLetter, DeadLetterReason } from "./RemoteStore.ts"

/**
 * Which letters are wanted: those that are like this in everything that is given.
 *
 * @since 0.1.0
 * @category models
 */
export interface Filter {
  readonly peerId?: PeerId | undefined
  readonly direction?: DeadLetter["direction"] | undefined
  readonly reason?: DeadLetterReason | undefined
}

/**
 * What is in a letter. The URL of a redemption grants what it names to whoever sees it.
 *
 * @since 0.1.0
 * @category models
 */
export type Content =
  | { readonly _tag: "Delivery"; readonly delivery: Delivery }
  | { readonly _tag: "Redemption"; readonly url: Redacted.Redacted<string> }
  | { readonly _tag: "RedemptionReply"; readonly ok: boolean; readonly value: string }
  /** This kernel's refusal of the peer's message number `seq`. */
  | { readonly _tag: "Refusal"; readonly seq: number; readonly code: string; readonly reason: string }
  | { readonly _tag: "Unreadable"; readonly reason: string }

/**
 * A letter, opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface Inspected {
  readonly letter: DeadLetter
  readonly content: Content
}

/**
 * What became of a letter that was driven again: a message to the peer, or one that the kernel took now.
 *
 * @since 0.1.0
 * @category models
 */
export type Redriven =
  | { readonly _tag: "Delivered"; readonly receipt: Receipt }
  | { readonly _tag: "Received"; readonly delivery: Delivery }

/**
 * What driving a letter again can fail with. The letter is still there then.
 *
 * @since 0.1.0
 * @category errors
 */
export type RedriveError =
  | DeadLetterNotFoundError
  | NotRedrivableError
  | InvalidPeerIdError
  | DeliverError
  | DeliveryRefused
  | KernelBusy

/**
 * The messages that ended other than well: refused, failed on, given up, or cut off by the end of a conversation. The store
 * keeps the newest 10,000, and none for longer than `deadLetterMaxAge` (default 30 days).
 *
 * @since 0.1.0
 * @category tags
 */
export class DeadLetters extends Context.Tag("effect-remotes/DeadLetters")<
  DeadLetters,
  {
    /** The letters, oldest first, read a few at a time; one that comes meanwhile may or may not be among them. */
    readonly list: (filter?: Filter) => Stream.Stream<DeadLetter, StoreError>
    /** Opens a letter, which stays where it is. */
    readonly inspect: (id: number) => Effect.Effect<Inspected, DeadLetterNotFoundError | StoreError>
    /**
     * Makes another attempt, in one transaction with the letter's removal: it is never lost in between, and never driven twice.
     *
     * An outbound delivery goes to the peer as a new message, with a new number and behind what is pending. Where the
     * outcome of the first attempt is unknown, the peer may get it a second time. An inbound one is offered to
     * `KernelPort.receive`; its sender, who was told of the refusal, is not told of this.
     *
     * References in a delivery mean what they meant in the letter's own conversation: if that has ended since
     * (`KernelPort.forget`), it is for the caller to know that they still mean something.
     */
    readonly redrive: (id: number) => Effect.Effect<Redriven, RedriveError>
    /** Removes a letter for good. */
    readonly drop: (id: number) => Effect.Effect<void, DeadLetterNotFoundError | StoreError>
  }
>() {}

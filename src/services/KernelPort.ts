/**
 * The one service that the host kernel provides.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { excerpt } from "../errors/excerpt.ts"
import type { OutcomeUnknownError } from "../errors/RemoteError.ts"
import type { Delivery } from "../protocol/Delivery.ts"
import type { PeerId } from "../protocol/PeerId.ts"

/**
 * The kernel refuses this message for good: it is consumed, kept as a dead letter and reported to its sender; those behind
 * it go on. `code` and `reason` are told to the sender.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeliveryRefused extends Schema.TaggedError<DeliveryRefused>()("DeliveryRefused", {
  code: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `refused (${excerpt(this.code)}): ${excerpt(this.reason)}`
  }
}

/**
 * The kernel cannot take this message now: it is offered again after a pause, and holds the line meanwhile.
 *
 * @since 0.1.0
 * @category errors
 */
export class KernelBusy extends Schema.TaggedError<KernelBusy>()("KernelBusy", {
  cause: Schema.optional(Schema.Defect)
}) {
  override get message() {
    return "the kernel is busy"
  }
}

/**
 * What the host kernel does with what peers say.
 *
 * Every method runs inside `RemoteStore.transaction`: what it writes there commits together with the record that it ran, and
 * what it sends leaves only after the commit. If the process crashes, or the commit fails, before that, it runs again, so that
 * effects outside of the transaction may happen twice. Calls for one peer come one after another, in the order in which the peer
 * sent; a transaction of another peer never runs meanwhile.
 *
 * @since 0.1.0
 * @category tags
 */
export class KernelPort extends Context.Tag("effect-remotes/KernelPort")<
  KernelPort,
  {
    /** Takes one delivery; what it succeeds with does not matter. A defect counts as a refusal with the code `HandlerFailed`. */
    readonly receive: (peer: PeerId, delivery: Delivery) => Effect.Effect<unknown, DeliveryRefused | KernelBusy>
    /** A peer has a URL of this kernel that names `reference`: answers with the reference by which the peer shall name it. */
    readonly redeem: (peer: PeerId, reference: string) => Effect.Effect<string, DeliveryRefused | KernelBusy>
    /**
     * The conversation with the peer ended, and a new one begins: given up by this side, the peer lost its memory, or a store
     * went back in time. Promises that the peer was to decide will not be decided; references that it gave mean nothing now.
     */
    readonly forget: (peer: PeerId, why: OutcomeUnknownError) => Effect.Effect<void>
    /**
     * Whether the kernel still has to do with the peer: it holds references that the peer gave, or the peer some of its. Asked before a
     * remote expires (`expireEmptyRemotesAfter`), which it does not if so; where this is left out, none is in use.
     */
    readonly isInUse?: (peer: PeerId) => Effect.Effect<boolean>
  }
>() {}

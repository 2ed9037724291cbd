/**
 * Which messages for a peer are admitted at once, and which must wait for the peer to take some first.
 *
 * What a kernel needs to go on (settled promises, garbage collection) has a reserve of its own behind the limits for
 * everything, so that ordinary messages that fill these never hold it up.
 *
 * @since 0.1.0
 */
import type { Delivery } from "./Delivery.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly maxPendingMessages: number
  readonly maxPendingBytes: number
  readonly reservedMessages: number
  readonly reservedBytes: number
}

/**
 * What is pending, and how much of it takes up the reserve.
 *
 * @since 0.1.0
 * @category models
 */
export interface Load {
  readonly messages: number
  readonly bytes: number
  readonly reservedMessages: number
  readonly reservedBytes: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type Lane = "ordinary" | "kernel"

/**
 * A message is admitted among all others (`free`) or on the reserve; otherwise the limit is named that is reached.
 *
 * @since 0.1.0
 * @category models
 */
export type Admission = "free" | "reserve" | "pendingMessages" | "pendingBytes"

/**
 * The lane of a delivery: calls are the application's, everything else is the kernel's own.
 *
 * @since 0.1.0
 * @category getters
 */
export const laneOf = (delivery: Delivery): Lane => (delivery._tag === "Message" ? "ordinary" : "kernel")

/**
 * Decides on a message of `size` bytes outside of a transaction. Below the limits any message is admitted, so that the last one
 * may pass them; the reserve is never exceeded.
 *
 * @since 0.1.0
 * @category combinators
 */
export const admit = (limits: Limits, load: Load, lane: Lane, size: number): Admission => {
  const messagesLeft = load.messages < limits.maxPendingMessages
  if (messagesLeft && load.bytes < limits.maxPendingBytes) return "free"
  const reserved =
    lane === "kernel" &&
    load.reservedMessages < limits.reservedMessages &&
    load.reservedBytes + size <= limits.reservedBytes
  if (reserved) return "reserve"
  return messagesLeft ? "pendingBytes" : "pendingMessages"
}

/**
 * Decides on a message of `size` bytes inside of a transaction, where nothing can wait: up to twice the limits, and the kernel's
 * own by the reserve more.
 *
 * @since 0.1.0
 * @category combinators
 */
export const admitInTurn = (limits: Limits, load: Load, lane: Lane, size: number): Admission => {
  const most = hardLimits(limits, lane)
  if (load.messages >= most.messages) return "pendingMessages"
  return load.bytes + size > most.bytes ? "pendingBytes" : "free"
}

/**
 * What may be pending at most, inside of transactions.
 *
 * @since 0.1.0
 * @category getters
 */
export const hardLimits = (limits: Limits, lane: Lane): { readonly messages: number; readonly bytes: number } => {
  const extra = lane === "kernel" ? 1 : 0
  return {
    messages: 2 * limits.maxPendingMessages + extra * limits.reservedMessages,
    bytes: 2 * limits.maxPendingBytes + extra * limits.reservedBytes
  }
}

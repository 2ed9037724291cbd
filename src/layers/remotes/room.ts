import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Core } from "./Core.ts"

/**
 * What the peer is not known to have. What it has leaves room at once, though it may take until its refusals were read that it
 * is settled.
 *
 * @internal
 */
export const unacknowledged = (core: Core): { readonly messages: number; readonly bytes: number } => {
  const { acknowledged, settled } = core.window
  const from = Math.max(0, settled + 1 - core.sizesFrom)
  const through = Math.max(0, acknowledged + 1 - core.sizesFrom)
  let bytes = core.pendingBytes
  for (let index = from; index < through; index += 1) bytes -= core.sizes[index] ?? 0
  const expired = core.expired.size - Math.floor(core.expired.size / expiredInRoomOfOne)
  return { messages: Math.max(0, SendWindow.unacknowledged(core.window) - expired), bytes }
}

/**
 * How many messages wait for the peer: of those that expired only the numbers do.
 *
 * @internal
 */
export const waitingMessages = (core: Core): number => SendWindow.pending(core.window) - core.expired.size

/** How many expired numbers take up the room of one message, so that they, too, are limited while a peer is away. */
const expiredInRoomOfOne = 16

/**
 * How much of the room for messages is taken up.
 *
 * @internal
 */
export const roomTaken = (core: Core): number =>
  waitingMessages(core) + Math.floor(core.expired.size / expiredInRoomOfOne)

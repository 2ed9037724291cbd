/**
 * What can be learnt from messages that wait because the kernel is busy: the ACKs and grants of room among them, without taking any out of order.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Amount } from "./Credit.ts"
import * as WireMessage from "./WireMessage.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Said {
  /** The highest ACK; 0 if there is none. */
  readonly ack: number
  /** Nothing above this number may be settled yet, because a refusal of what is above it waits as well. */
  readonly through: number
  /** The highest number that has arrived without a gap, taken or not. */
  readonly arrived: number
  /** The last grant of room; undefined if there is none. */
  readonly credit: Amount | undefined
}

type Sequenced = Extract<WireMessage.WireMessage, { _tag: "Sequenced" }>

/**
 * Reads on, behind what was `received` and taken, through the decoded messages that wait and then through frames, until one
 * cannot be understood or comes too early; whoever takes it in its turn will object.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listen = (received: number, waiting: ReadonlyArray<Sequenced>, frames: Iterable<Uint8Array>): Said => {
  let ack = 0
  let through = Infinity
  let arrived = received
  let credit: Amount | undefined
  const note = (message: Sequenced): void => {
    if (message.seq === arrived + 1) arrived += 1
    if (message.content._tag === "Rejected") through = Math.min(through, message.content.seq - 1)
  }
  for (const message of waiting) note(message)
  for (const frame of frames) {
    const decoded = WireMessage.decode(frame)
    if (Either.isLeft(decoded)) break
    const message = decoded.right
    if (message._tag === "Handshake") continue
    if (message._tag === "Credit") {
      credit = message.to
      continue
    }
    if (message._tag === "Sequenced") {
      if (message.seq > arrived + 1) break
      note(message)
    }
    ack = Math.max(ack, message.ack)
  }
  return { ack, through, arrived, credit }
}

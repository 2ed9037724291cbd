import * as Either from "effect/Either"
import * as Credit from "../../protocol/Credit.ts"
import * as EarlyMessages from "../../protocol/EarlyMessages.ts"
import * as ReceiveWindow from "../../protocol/ReceiveWindow.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import type { Converser } from "./Converser.ts"
import type { OpenChannel, Sequenced } from "./Core.ts"

/**
 * What frames of a channel said.
 *
 * @internal
 */
export interface Read {
  readonly messages: ReadonlyArray<Sequenced>
  readonly repeated: boolean
  readonly violation: string | undefined
}

/** A message of a peer of the base profile: one that is next in line brings along those that only waited for it. */
const arrive = (
  channel: OpenChannel,
  received: number,
  message: Sequenced,
  bytes: number,
  messages: Array<Sequenced>
): ReceiveWindow.Place => {
  const { early, place, taken } = EarlyMessages.arrive(channel.early, received, { seq: message.seq, bytes, message })
  channel.early = early
  messages.push(...taken)
  return place
}

/**
 * Takes a grant of room; says what is wrong with it, if anything is.
 *
 * @internal
 */
export const takeCredit = (channel: OpenChannel, to: Credit.Amount): string | undefined => {
  const purse = channel.purse && Credit.grant(channel.purse, to)
  if (purse === undefined) return "a grant of room that was not agreed on"
  if (Either.isLeft(purse)) return purse.left
  channel.purse = purse.right
  return undefined
}

/** A message takes up room until it is taken. */
const noteArrival = (channel: OpenChannel, bytes: number): string | undefined => {
  const grants = channel.grants && Credit.arrive(channel.grants, { messages: 1, bytes })
  if (grants === undefined) return undefined
  if (Either.isLeft(grants)) return grants.left
  channel.grants = grants.right
  return undefined
}

/**
 * Decodes frames, takes their ACKs, and picks the messages that are next in line.
 *
 * @internal
 */
export const read = ({ core }: Converser, channel: OpenChannel, frames: ReadonlyArray<Uint8Array>): Read => {
  const messages: Array<Sequenced> = []
  let repeated = false
  for (const frame of frames) {
    const decoded = WireMessage.decode(frame)
    if (Either.isLeft(decoded)) return { messages, repeated, violation: decoded.left }
    const message = decoded.right
    if (message._tag === "Handshake") continue
    if (message._tag === "Credit") {
      const objection = takeCredit(channel, message.to)
      if (objection !== undefined) return { messages, repeated, violation: objection }
      continue
    }
    if (message.ack > core.window.acknowledged) {
      const window = SendWindow.acknowledge(core.window, message.ack)
      if (Either.isLeft(window)) return { messages, repeated, violation: window.left }
      core.window = window.right
    }
    if (message._tag === "Ack") continue
    const tooMuch = noteArrival(channel, frame.length)
    if (tooMuch !== undefined) return { messages, repeated, violation: tooMuch }
    const received = messages.at(-1)?.seq ?? core.received
    const place = channel.extended
      ? ReceiveWindow.place(received, message.seq, channel.base)
      : arrive(channel, received, message, frame.length, messages)
    if (place === "duplicate") repeated = true
    if (!channel.extended || place === "duplicate") continue
    if (place === "early") {
      return { messages, repeated, violation: `message ${message.seq} came before message ${received + 1}` }
    }
    messages.push(message)
  }
  return { messages, repeated, violation: undefined }
}

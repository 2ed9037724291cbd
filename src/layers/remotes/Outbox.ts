import * as Frame from "../../protocol/Frame.ts"
import type { Amount } from "../../protocol/Credit.ts"
import * as JsonBytes from "../../protocol/JsonBytes.ts"
import { shared } from "../../protocol/Slab.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"

/**
 * The bodies of pending messages that are kept in memory: one unbroken run of sequence numbers, of bounded size. What is
 * pending outside of the run is in the store only. A body is empty where the message expired.
 *
 * @internal
 */
export interface Outbox {
  /** The number of the first body in `bodies`. */
  first: number
  bodies: Array<Uint8Array>
  bytes: number
}

/** How many bytes of bodies are kept for a peer, so that what is written soon need not be read back. */
const maxBytes = 4 * 1_048_576

/** How many bytes of frames are written at once; libp2p's cost is per write, and beyond this it no longer falls. */
const writeBytes = 65_536

const nothing = new Uint8Array(0)

/** Tells a peer of ours that nothing comes under a number. */
const abandoned = WireMessage.encodeBody({ _tag: "Abandoned" })

/**
 * @internal
 */
export const make = (next: number): Outbox => ({ first: next, bodies: [], bytes: 0 })

const end = (outbox: Outbox): number => outbox.first + outbox.bodies.length

/**
 * Keeps the body of a new message if it continues the run and there is room.
 *
 * @internal
 */
export const append = (outbox: Outbox, seq: number, body: Uint8Array): void => {
  if (outbox.bodies.length === 0) outbox.first = seq
  if (end(outbox) !== seq || outbox.bytes + body.length > maxBytes) return
  outbox.bodies.push(body)
  outbox.bytes += body.length
}

/**
 * Puts what was read from the store in the place of the run.
 *
 * @internal
 */
export const replace = (
  outbox: Outbox,
  messages: ReadonlyArray<{ readonly seq: number; readonly body: Uint8Array }>
): void => {
  outbox.first = messages[0]?.seq ?? outbox.first
  outbox.bodies = messages.map(({ body }) => body)
  outbox.bytes = outbox.bodies.reduce((bytes, body) => bytes + body.length, 0)
}

/**
 * Lets go of what is settled.
 *
 * @internal
 */
export const release = (outbox: Outbox, through: number): void => {
  const count = Math.min(outbox.bodies.length, through - outbox.first + 1)
  if (count <= 0) return
  for (const body of outbox.bodies.splice(0, count)) outbox.bytes -= body.length
  outbox.first += count
}

/**
 * Lets go of the body of a message that expired, if it is in the run.
 *
 * @internal
 */
export const withdraw = (outbox: Outbox, seq: number): void => {
  const body = outbox.bodies[seq - outbox.first]
  if (body === undefined) return
  outbox.bodies[seq - outbox.first] = nothing
  outbox.bytes -= body.length
}

/**
 * Whether the body of this message is in the run.
 *
 * @internal
 */
export const has = (outbox: Outbox, seq: number): boolean => seq >= outbox.first && seq < end(outbox)

/**
 * One write: frames, and what they are.
 *
 * @internal
 */
export interface Write {
  /** Empty where everything in it expired, and the peer need not be told. */
  readonly frames: Uint8Array
  /** The highest number in it. */
  readonly through: number
  /** How many bytes the frames have without their length prefixes, and how many there are. */
  readonly amount: Amount
  /** The size of each body in it, in order. */
  readonly sizes: ReadonlyArray<number>
  /** The numbers in it under which nothing is written, in order. */
  readonly skipped: ReadonlyArray<number>
}

/** What is to be written under a number. */
interface Part {
  readonly seq: number
  readonly body: Uint8Array
}

const writeHead = (target: Uint8Array, offset: number, head: string): number => {
  for (let index = 0; index < head.length; index += 1) target[offset + index] = head.charCodeAt(index)
  return offset + head.length
}

/** The frame of a long body, where that lies; undefined if there is no room for its head, or it was used before. */
const frameInPlace = ({ body, seq }: Part, ack: number): Pick<Write, "frames" | "amount"> | undefined => {
  const head = WireMessage.head(seq, ack)
  const bytes = head.length + body.length
  const frames = JsonBytes.claimRoom(body, Frame.prefixLength(bytes) + head.length)
  if (frames === undefined) return undefined
  writeHead(frames, Frame.writePrefix(frames, 0, bytes), head)
  return { frames, amount: { messages: 1, bytes } }
}

const frameOne = ({ body, seq }: Part, ack: number): Pick<Write, "frames" | "amount"> => {
  const head = WireMessage.head(seq, ack)
  const bytes = head.length + body.length
  const frames = shared.take(Frame.prefixLength(bytes) + bytes)
  frames.set(body, writeHead(frames, Frame.writePrefix(frames, 0, bytes), head))
  return { frames, amount: { messages: 1, bytes } }
}

const frameAll = (parts: ReadonlyArray<Part>, ack: number): Pick<Write, "frames" | "amount"> => {
  const heads = parts.map(({ seq }, index) => WireMessage.head(seq, index === parts.length - 1 ? ack : 0))
  let total = 0
  let payload = 0
  heads.forEach((head, index) => {
    const size = head.length + (parts[index]?.body.length ?? 0)
    total += Frame.prefixLength(size) + size
    payload += size
  })
  const frames = new Uint8Array(total)
  let offset = 0
  parts.forEach(({ body }, index) => {
    const head = heads[index] ?? ""
    offset = writeHead(frames, Frame.writePrefix(frames, offset, head.length + body.length), head)
    frames.set(body, offset)
    offset += body.length
  })
  return { frames, amount: { messages: parts.length, bytes: payload } }
}

const frame = (parts: ReadonlyArray<Part>, ack: number): Pick<Write, "frames" | "amount"> => {
  const [only] = parts
  return only === undefined || parts.length > 1
    ? frameAll(parts, ack)
    : (frameInPlace(only, ack) ?? frameOne(only, ack))
}

const nothingWritten: Pick<Write, "frames" | "amount"> = { frames: nothing, amount: { messages: 0, bytes: 0 } }

/** What is written for a body; empty where nothing is. */
const told = (body: Uint8Array, tells: boolean): Uint8Array => (body.length === 0 && tells ? abandoned : body)

/**
 * Whether there is room for the frame of this message, which is in the run.
 *
 * @internal
 */
export const fits = (outbox: Outbox, seq: number, room: Amount): boolean =>
  room.messages >= 1 && room.bytes >= frameOf(outbox, seq)

/**
 * How large the frame of this message, which is in the run, can become.
 *
 * @internal
 */
export const frameOf = (outbox: Outbox, seq: number): number =>
  WireMessage.largestFrame(told(outbox.bodies[seq - outbox.first] ?? nothing, true).length)

/**
 * Frames the messages from `cursor` on that are in the run: as many as there is `room` for, up to about 64 KiB. `ackOf` tells which ACK
 * may go with the last of them, given its number. With `tells` the peer is told of what expired; otherwise nothing is written there. What is
 * larger than `maxFrame` is not written, nor what is behind it.
 *
 * @internal
 */
export const write = (
  outbox: Outbox,
  cursor: number,
  {
    ackOf,
    maxFrame,
    room,
    tells
  }: {
    readonly room: Amount
    readonly maxFrame: number
    readonly ackOf: (through: number) => number
    readonly tells: boolean
  }
): Write => {
  const last = Math.min(end(outbox), cursor + room.messages) - 1
  const parts: Array<Part> = []
  const sizes: Array<number> = []
  const skipped: Array<number> = []
  let bytes = 0
  let largest = 0
  for (let seq = cursor; seq <= last && bytes < writeBytes; seq += 1) {
    const kept = outbox.bodies[seq - outbox.first]
    if (kept === undefined) break
    const body = told(kept, tells)
    const size = WireMessage.largestFrame(body.length)
    largest += size
    if (largest > room.bytes || size > maxFrame) break
    sizes.push(kept.length)
    if (body.length === 0) skipped.push(seq)
    else parts.push({ seq, body })
    bytes += body.length
  }
  const through = cursor + sizes.length - 1
  const written = parts.length === 0 ? nothingWritten : frame(parts, ackOf(through))
  return { ...written, through, sizes, skipped }
}

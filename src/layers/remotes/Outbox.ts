import * as Frame from "../../protocol/Frame.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"

/**
 * The bodies of pending messages that are kept in memory: one unbroken run of sequence numbers, of bounded size. What is
 * pending outside of the run is in the store only.
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
  readonly frames: Uint8Array
  /** The highest number in it. */
  readonly through: number
  /** The size of each body in it, in order. */
  readonly sizes: ReadonlyArray<number>
}

const writeHead = (target: Uint8Array, offset: number, head: string): number => {
  for (let index = 0; index < head.length; index += 1) target[offset + index] = head.charCodeAt(index)
  return offset + head.length
}

/**
 * Frames the messages from `cursor` on that are in the run: at most `maxMessages`, up to about 64 KiB. `ackOf` tells which ACK
 * may go with the last of them, given its number.
 *
 * @internal
 */
export const write = (
  outbox: Outbox,
  cursor: number,
  maxMessages: number,
  ackOf: (through: number) => number
): Write => {
  const last = Math.min(end(outbox), cursor + maxMessages) - 1
  const bodies: Array<Uint8Array> = []
  const sizes: Array<number> = []
  let bytes = 0
  for (let seq = cursor; seq <= last && bytes < writeBytes; seq += 1) {
    const body = outbox.bodies[seq - outbox.first]
    if (body === undefined) break
    bodies.push(body)
    sizes.push(body.length)
    bytes += body.length
  }
  const through = cursor + bodies.length - 1
  const ack = ackOf(through)
  const heads = bodies.map((_, index) => WireMessage.head(cursor + index, index === bodies.length - 1 ? ack : 0))
  let total = 0
  heads.forEach((head, index) => {
    const size = head.length + (sizes[index] ?? 0)
    total += Frame.prefixLength(size) + size
  })
  const frames = new Uint8Array(total)
  let offset = 0
  bodies.forEach((body, index) => {
    const head = heads[index] ?? ""
    offset = writeHead(frames, Frame.writePrefix(frames, offset, head.length + body.length), head)
    frames.set(body, offset)
    offset += body.length
  })
  return { frames, through, sizes }
}

/**
 * Frames on a byte stream: an unsigned varint length, then that many bytes. Pure.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"

/**
 * How many bytes the length prefix of a payload of this size takes.
 *
 * @since 0.1.0
 * @category encoding
 */
export const prefixLength = (payloadBytes: number): number => {
  let bytes = 1
  for (let rest = payloadBytes; rest >= 128; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

/**
 * Writes the length prefix of a payload at `offset` and returns the offset at which the payload begins.
 *
 * @since 0.1.0
 * @category encoding
 */
export const writePrefix = (target: Uint8Array, offset: number, payloadBytes: number): number => {
  let rest = payloadBytes
  for (; rest >= 128; rest = Math.floor(rest / 128)) target[offset++] = (rest % 128) | 128
  target[offset] = rest
  return offset + 1
}

/**
 * Frames all payloads, in order, in one new buffer.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (payloads: ReadonlyArray<Uint8Array>): Uint8Array => {
  let bytes = 0
  for (const { byteLength } of payloads) bytes += prefixLength(byteLength) + byteLength
  const frames = new Uint8Array(bytes)
  let offset = 0
  for (const payload of payloads) {
    offset = writePrefix(frames, offset, payload.byteLength)
    frames.set(payload, offset)
    offset += payload.byteLength
  }
  return frames
}

/**
 * How many frames there are in a buffer of whole ones.
 *
 * @since 0.1.0
 * @category encoding
 */
export const count = (frames: Uint8Array): number => {
  let found = 0
  let offset = 0
  while (offset < frames.length) {
    let length = 0
    let factor = 1
    for (let byte = 128; byte >= 128; factor *= 128) {
      byte = frames[offset++] ?? 0
      length += (byte & 127) * factor
    }
    offset += length
    found += 1
  }
  return found
}

/**
 * Takes a byte stream apart into payloads, wherever its chunks begin and end.
 *
 * It holds at most four times what has arrived of the frame under way, never what a prefix merely announced.
 *
 * @since 0.1.0
 * @category decoding
 */
export interface Decoder {
  /**
   * Takes the next chunk and returns the payloads that it completes. A payload that lies whole within the chunk is a view
   * of it, not a copy: the chunk belongs to the decoder's caller no longer. Left says which rule the peer broke; from then
   * on the stream cannot be read any more and every call returns the same left.
   */
  push(chunk: Uint8Array): Either.Either<ReadonlyArray<Uint8Array>, string>
  /** The payloads that were completed by the chunk that broke the rule, before the place where it did. */
  beforeViolation(): ReadonlyArray<Uint8Array>
  /** How many bytes of an unfinished frame have arrived, prefix included; not 0 at the end of a stream: it was cut. */
  pendingBytes(): number
}

/** How large the blocks are into which small pieces of a payload are copied. A piece that is no smaller is kept as it came. */
const blockBytes = 16_384

/** The pieces of a payload that has not arrived as a whole. */
class Pieces {
  #pieces: Array<Uint8Array> = []
  /** How many bytes at the end of the last piece, a block, are not used. */
  #free = 0

  /** Takes the next piece; of the payload, `left` bytes are missing with it. */
  add(piece: Uint8Array, left: number): void {
    // A small part of a large buffer would keep all of it.
    if (piece.length >= blockBytes && 2 * piece.length >= piece.buffer.byteLength) this.#keep(piece)
    else for (let from = 0; from < piece.length;) from += this.#copy(piece.subarray(from), left - from)
  }

  #keep(piece: Uint8Array): void {
    const last = this.#pieces.pop()
    if (last !== undefined) this.#pieces.push(last.subarray(0, last.length - this.#free))
    this.#pieces.push(piece)
    this.#free = 0
  }

  /** Copies what fits into one block; gives how much that is. */
  #copy(piece: Uint8Array, left: number): number {
    if (this.#free === 0) {
      this.#free = Math.min(blockBytes, left)
      this.#pieces.push(new Uint8Array(this.#free))
    }
    const block = this.#pieces.at(-1)
    const bytes = Math.min(this.#free, piece.length)
    block?.set(piece.subarray(0, bytes), block.length - this.#free)
    this.#free -= bytes
    return bytes
  }

  /** The payload, once it has arrived; then there are no pieces any more. */
  take(length: number): Uint8Array {
    const pieces = this.#pieces
    this.#pieces = []
    const [first] = pieces
    if (first?.length === length) return first
    const whole = new Uint8Array(length)
    let offset = 0
    for (const piece of pieces) {
      whole.set(piece, offset)
      offset += piece.length
    }
    return whole
  }
}

/** Of a class, and with no closures of its own: a kernel has one for each of its channels. */
class PayloadDecoder implements Decoder {
  readonly #maxPayloadBytes: number
  #prefixBytes = 0
  #length = 0
  #bodyBytes = -1
  readonly #pieces = new Pieces()
  #violation: Either.Either<never, string> | undefined
  #salvaged: ReadonlyArray<Uint8Array> = []

  constructor(maxPayloadBytes: number) {
    this.#maxPayloadBytes = maxPayloadBytes
  }

  push(chunk: Uint8Array): Either.Either<ReadonlyArray<Uint8Array>, string> {
    if (this.#violation !== undefined) return this.#violation
    const frames: Array<Uint8Array> = []
    let offset = 0
    while (offset < chunk.length || this.#bodyBytes === this.#length) {
      if (this.#bodyBytes < 0) {
        const reason = this.#prefixByte(chunk[offset++] ?? 0)
        if (reason === undefined) continue
        this.#salvaged = frames
        return (this.#violation = Either.left(reason))
      }
      const missing = this.#length - this.#bodyBytes
      const piece = chunk.subarray(offset, offset + missing)
      offset += piece.length
      if (piece.length === this.#length) frames.push(piece)
      else {
        this.#pieces.add(piece, missing)
        this.#bodyBytes += piece.length
        if (this.#bodyBytes < this.#length) break
        frames.push(this.#pieces.take(this.#length))
      }
      this.#next()
    }
    return Either.right(frames)
  }

  beforeViolation(): ReadonlyArray<Uint8Array> {
    return this.#salvaged
  }

  pendingBytes(): number {
    return this.#prefixBytes + Math.max(0, this.#bodyBytes)
  }

  #prefixByte(byte: number): string | undefined {
    const max = this.#maxPayloadBytes
    this.#length += (byte & 127) * 128 ** this.#prefixBytes
    this.#prefixBytes++
    if (this.#length > max) return `a frame of more than ${max} bytes`
    if (byte < 128) {
      if (byte === 0 && this.#prefixBytes > 1) return "a length prefix that is longer than it needs to be"
      this.#bodyBytes = 0
    } else if (this.#prefixBytes >= prefixLength(max))
      return `a length prefix of more than ${prefixLength(max)} bytes, for frames of at most ${max}`
    return undefined
  }

  #next(): void {
    this.#prefixBytes = 0
    this.#length = 0
    this.#bodyBytes = -1
  }
}

/**
 * A decoder that refuses payloads of more than `maxPayloadBytes`, and prefixes that are longer than they need to be.
 *
 * @since 0.1.0
 * @category decoding
 */
export const makeDecoder = (maxPayloadBytes: number): Decoder => new PayloadDecoder(maxPayloadBytes)

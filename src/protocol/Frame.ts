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
 * It holds at most twice what has arrived of the frame under way, never what a prefix merely announced.
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
  readonly push: (chunk: Uint8Array) => Either.Either<ReadonlyArray<Uint8Array>, string>
  /** The payloads that were completed by the chunk that broke the rule, before the place where it did. */
  readonly beforeViolation: () => ReadonlyArray<Uint8Array>
  /** How many bytes of an unfinished frame have arrived, prefix included; not 0 at the end of a stream: it was cut. */
  readonly pendingBytes: () => number
}

/** The first room for a payload that comes in pieces; it doubles as the bytes really arrive. */
const firstRoom = 16_384

/**
 * A decoder that refuses payloads of more than `maxPayloadBytes`, and prefixes that are longer than they need to be.
 *
 * @since 0.1.0
 * @category decoding
 */
export const makeDecoder = (maxPayloadBytes: number): Decoder => {
  const maxPrefix = prefixLength(maxPayloadBytes)
  let prefixBytes = 0
  let length = 0
  let bodyBytes = -1
  let body = new Uint8Array(0)
  let violation: Either.Either<never, string> | undefined
  let salvaged: ReadonlyArray<Uint8Array> = []

  const prefixByte = (byte: number): string | undefined => {
    length += (byte & 127) * 128 ** prefixBytes
    prefixBytes++
    if (length > maxPayloadBytes) return `a frame of more than ${maxPayloadBytes} bytes`
    if (byte < 128) {
      if (byte === 0 && prefixBytes > 1) return "a length prefix that is longer than it needs to be"
      bodyBytes = 0
    } else if (prefixBytes >= maxPrefix)
      return `a length prefix of more than ${maxPrefix} bytes, for frames of at most ${maxPayloadBytes}`
    return undefined
  }

  const gather = (piece: Uint8Array): void => {
    if (bodyBytes + piece.length > body.length) {
      const larger = new Uint8Array(Math.min(length, Math.max(firstRoom, 2 * (bodyBytes + piece.length))))
      larger.set(body.subarray(0, bodyBytes))
      body = larger
    }
    body.set(piece, bodyBytes)
    bodyBytes += piece.length
  }

  const next = (): void => {
    prefixBytes = 0
    length = 0
    bodyBytes = -1
    body = new Uint8Array(0)
  }

  const push: Decoder["push"] = (chunk) => {
    if (violation !== undefined) return violation
    const frames: Array<Uint8Array> = []
    let offset = 0
    while (offset < chunk.length || bodyBytes === length) {
      if (bodyBytes < 0) {
        const reason = prefixByte(chunk[offset++] ?? 0)
        if (reason === undefined) continue
        salvaged = frames
        body = new Uint8Array(0)
        return (violation = Either.left(reason))
      }
      const piece = chunk.subarray(offset, offset + length - bodyBytes)
      offset += piece.length
      if (piece.length === length) frames.push(piece)
      else {
        gather(piece)
        if (bodyBytes < length) break
        frames.push(body)
      }
      next()
    }
    return Either.right(frames)
  }

  return {
    push,
    beforeViolation: () => salvaged,
    pendingBytes: () => prefixBytes + Math.max(0, bodyBytes)
  }
}

/**
 * JSON as UTF-8, made without more copies than the size of the text calls for. Pure, but for the place it writes to.
 *
 * @internal
 */

import { shared } from "./Slab.ts"

const encoder = new TextEncoder()

/** What a UTF-16 code unit takes at most. */
const bytesPerUnit = 3

/**
 * As UTF-8, in a place that nothing else is ever written to.
 *
 * @internal
 */
export const encode = (text: string): Uint8Array => {
  const most = text.length * bytesPerUnit
  return most > shared.longest
    ? encoder.encode(text)
    : shared.fill(most, (target) => encoder.encodeInto(text, target).written)
}

/**
 * A text of more UTF-16 code units than this is made JSON piece by piece: V8 builds longer results from parts, and copies them. What
 * takes more than 128 KiB it keeps apart, in pages that are asked of the system and given back, which takes ten times as long.
 */
const pieceUnits = 32_768

/** Where a piece ends that begins at `from`: not between the halves of a surrogate pair, which would be escaped. */
const pieceEnd = (text: string, from: number, piece: number): number => {
  const end = from + piece
  const splitsPair = (text.codePointAt(end - 1) ?? 0) > 0xffff
  return splitsPair ? end + 1 : end
}

/**
 * Whether any of these bytes is below 32, four at a time; what is before them in the buffer is not. One that is not has one of the three
 * highest bits set.
 */
const hasControls = (bytes: Uint8Array<ArrayBuffer>, from: number, to: number): boolean => {
  const words = new Int32Array(bytes.buffer, 0, to >>> 2)
  let set = 0x20202020
  for (let index = from >>> 2; index < words.length; index += 1) {
    const word = words[index] ?? 0
    set &= word | (word >> 1) | (word >> 2)
  }
  if (set !== 0x20202020) return true
  for (let index = Math.max(from, words.length * 4); index < to; index += 1) if ((bytes[index] ?? 0) < 32) return true
  return false
}

/** Halves of pairs are escaped where they stand alone. */
const surrogate = /[\ud800-\udfff]/

/** Whether JSON may say the same: nothing in it is escaped, unless it is a control character. */
const isPlain = (text: string): boolean => !text.includes('"') && !text.includes("\\") && !surrogate.test(text)

/** How many bytes are left free in front of a long text, so that its frame can begin there: more than any prefix and head take. */
const roomBefore = 64

/** What has this room in front of it, and nothing was written there yet. */
const roomy = new WeakSet<Uint8Array>()

/** Bytes in a row, in a buffer of its own that grows. */
class Growing {
  #bytes: Uint8Array<ArrayBuffer>
  #used = roomBefore

  constructor(expected: number) {
    this.#bytes = new Uint8Array(roomBefore + expected)
  }

  /** Appends what stands between the quotes in the JSON of a text. Mostly that is the text itself, which is cheaper to see than to make. */
  appendEscaped(text: string): void {
    const from = this.#used
    if (isPlain(text)) {
      this.append(text)
      if (!hasControls(this.#bytes, from, this.#used)) return
      this.#used = from
    }
    this.append(JSON.stringify(text).slice(1, -1))
  }

  append(text: string): void {
    const { read, written } = encoder.encodeInto(text, this.#bytes.subarray(this.#used))
    this.#used += written
    if (read === text.length) return
    const rest = text.slice(read)
    const larger = new Uint8Array(Math.max(this.#used + rest.length * bytesPerUnit, this.#bytes.length * 1.5))
    larger.set(this.#bytes.subarray(0, this.#used))
    this.#bytes = larger
    this.append(rest)
  }

  /** What was written; a copy where much of the buffer is empty. */
  get written(): Uint8Array {
    const { buffer } = this.#bytes
    const all = this.#used * 2 < buffer.byteLength ? this.#bytes.slice(0, this.#used) : this.#bytes
    const written = all.subarray(roomBefore, this.#used)
    roomy.add(written)
    return written
  }
}

/**
 * The bytes with `size` more in front of them, for what goes before them; so they need not be copied behind it. Undefined if there is
 * no room, or it was given away before: nothing is ever written there twice.
 *
 * @internal
 */
export const claimRoom = (bytes: Uint8Array, size: number): Uint8Array | undefined =>
  size <= roomBefore && roomy.delete(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset - size, size + bytes.length)
    : undefined

/**
 * The JSON of a text between two pieces of JSON, as UTF-8. `piece` is for tests, which make long texts short.
 *
 * @internal
 */
export const around = (before: string, text: string, after: string, piece = pieceUnits): Uint8Array => {
  if (text.length <= piece) return encode(`${before}${JSON.stringify(text)}${after}`)
  const bytes = new Growing(before.length + text.length + Math.ceil(text.length / 16) + after.length)
  bytes.append(`${before}"`)
  for (let from = 0, end = 0; from < text.length; from = end) {
    end = pieceEnd(text, from, piece)
    bytes.appendEscaped(text.slice(from, end))
  }
  bytes.append(`"${after}`)
  return bytes.written
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const backslash = 92

/** How many bytes the escape takes that begins at `at`. */
const escapeLength = (bytes: Uint8Array, at: number): number => (bytes[at + 1] === 117 ? 6 : 2)

/** The place at or before `end` at which no escape is under way. */
const outsideEscape = (bytes: Uint8Array, from: number, end: number): number => {
  for (let at = end - 1; at >= Math.max(from, end - 5); at -= 1) {
    if (bytes[at] !== backslash) continue
    let first = at
    while (first > from && bytes[first - 1] === backslash) first -= 1
    const begins = (at - first) % 2 === 0
    return begins && at + escapeLength(bytes, at) > end ? at : end
  }
  return end
}

/** The place at or before `end` at which no character of well-formed UTF-8 is under way. */
const outsideCharacter = (bytes: Uint8Array, end: number): number => {
  for (let at = end; at > end - 4; at -= 1) if (((bytes[at] ?? 0) & 0xc0) !== 0x80) return at
  return end
}

/** Where a piece of JSON ends that begins at `from`, and can be read by itself. */
const readableEnd = (bytes: Uint8Array, from: number, pieceBytes: number): number => {
  if (from + pieceBytes >= bytes.length) return bytes.length
  const end = outsideEscape(bytes, from, outsideCharacter(bytes, from + pieceBytes))
  return end > from ? end : bytes.length
}

/**
 * The text of which these bytes are the JSON, without its quotes; undefined if they are not. It is read piece by piece, in pieces
 * that V8 keeps where it keeps other short texts, and it stays in pieces until somebody looks into it. `piece` is for tests.
 *
 * @internal
 */
export const readText = (bytes: Uint8Array, piece = pieceUnits): string | undefined => {
  let text = ""
  try {
    for (let from = 0, end = 0; from < bytes.length; from = end) {
      end = readableEnd(bytes, from, piece)
      const part: unknown = JSON.parse(`"${decoder.decode(bytes.subarray(from, end))}"`)
      if (typeof part !== "string") return undefined
      text += part
    }
    return text
  } catch {
    return undefined
  }
}

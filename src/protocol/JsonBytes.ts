/**
 * JSON as UTF-8, made without more copies than the size of the text calls for. Pure, but for the place it writes to.
 *
 * @internal
 */

const encoder = new TextEncoder()

/** Short texts share buffers of this size: to allocate one for each takes longer than to encode it. */
const slabBytes = 8192

let slab = new Uint8Array(0)
let slabUsed = 0

/** What a UTF-16 code unit takes at most. */
const bytesPerUnit = 3

/**
 * As UTF-8, in a place that nothing else is ever written to.
 *
 * @internal
 */
export const encode = (text: string): Uint8Array => {
  const most = text.length * bytesPerUnit
  if (most * 2 > slabBytes) return encoder.encode(text)
  if (slabUsed + most > slab.length) {
    slab = new Uint8Array(slabBytes)
    slabUsed = 0
  }
  const { written } = encoder.encodeInto(text, slab.subarray(slabUsed))
  const encoded = slab.subarray(slabUsed, slabUsed + written)
  slabUsed += written
  return encoded
}

/** A text of more UTF-16 code units than this is made JSON piece by piece: V8 builds longer results from parts, and copies them. */
const pieceUnits = 32_768

/** Where a piece ends that begins at `from`: not between the halves of a surrogate pair, which would be escaped. */
const pieceEnd = (text: string, from: number): number => {
  const end = from + pieceUnits
  const splitsPair = (text.codePointAt(end - 1) ?? 0) > 0xffff
  return splitsPair ? end + 1 : end
}

/** Bytes in a row, in a buffer that grows. */
class Growing {
  #bytes: Uint8Array<ArrayBuffer>
  #used = 0

  constructor(expected: number) {
    this.#bytes = new Uint8Array(expected)
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
    return this.#used * 2 < buffer.byteLength ? this.#bytes.slice(0, this.#used) : this.#bytes.subarray(0, this.#used)
  }
}

/**
 * The JSON of a text between two pieces of JSON, as UTF-8.
 *
 * @internal
 */
export const around = (before: string, text: string, after: string): Uint8Array => {
  if (text.length <= pieceUnits) return encode(`${before}${JSON.stringify(text)}${after}`)
  const bytes = new Growing(before.length + text.length + Math.ceil(text.length / 16) + after.length)
  bytes.append(`${before}"`)
  for (let from = 0, end = 0; from < text.length; from = end) {
    end = pieceEnd(text, from)
    bytes.append(JSON.stringify(text.slice(from, end)).slice(1, -1))
  }
  bytes.append(`"${after}`)
  return bytes.written
}

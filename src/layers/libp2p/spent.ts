/**
 * V8 frees a buffer in a collection of its garbage, and begins a full one when enough buffers have been made, which is often
 * with long messages. What the cipher makes is of no use to anybody once the system has it, and is freed then.
 *
 * @internal
 */

/** Shorter ones are no burden. */
const least = 4096

/** What nobody has but who writes it. */
const disposable = new WeakSet<Uint8Array>()

/**
 * Says that nobody has these bytes, which are all of their buffer, but the list that they go into.
 *
 * @internal
 */
export const disposeOnceWritten = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length >= least && bytes.length === bytes.buffer.byteLength) disposable.add(bytes)
  return bytes
}

/**
 * What is to be called when these bytes have been written, once: they are gone then. Undefined if somebody else may have them.
 *
 * @internal
 */
export const disposalOf = (bytes: Uint8Array): (() => void) | undefined => {
  const { buffer } = bytes
  return disposable.delete(bytes) && buffer instanceof ArrayBuffer ? () => void buffer.transfer(0) : undefined
}

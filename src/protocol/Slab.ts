/**
 * Short buffers: to allocate one for each takes longer than to fill it, and the garbage collector has to look after each.
 *
 * @internal
 */

const slabBytes = 8192

/**
 * What is longer has a buffer of its own.
 *
 * @internal
 */
export const longest = slabBytes / 2

let slab = new Uint8Array(0)
let used = 0

/**
 * So many bytes, in a place that nobody else is ever given. Short ones share a buffer of 8 KiB, which lives as long as any of them.
 *
 * @internal
 */
export const take = (size: number): Uint8Array<ArrayBuffer> => {
  if (size > longest) return new Uint8Array(size)
  if (used + size > slab.length) {
    slab = new Uint8Array(slabBytes)
    used = 0
  }
  const taken = slab.subarray(used, used + size)
  used += size
  return taken
}

/**
 * What `write` writes into a place of at most `most` bytes; it gives how many these are, and may not call for a place itself. The rest
 * goes to whoever comes next.
 *
 * @internal
 */
export const fill = (most: number, write: (target: Uint8Array<ArrayBuffer>) => number): Uint8Array<ArrayBuffer> => {
  const target = take(most)
  const written = write(target)
  if (target.buffer === slab.buffer) used -= most - written
  return target.subarray(0, written)
}

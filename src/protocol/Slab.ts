/**
 * Short buffers: to allocate one for each takes longer than to fill it, and the garbage collector has to look after each.
 *
 * @internal
 */

const nothing = new Uint8Array(0)

/**
 * Gives places in buffers of so many bytes, each of which lives as long as any place in it; what is longer than half of that has a
 * buffer of its own.
 *
 * @internal
 */
export class Slab {
  readonly longest: number
  readonly #size: number
  #buffer = nothing
  #used = 0

  constructor(size: number) {
    this.#size = size
    this.longest = size / 2
  }

  /** So many bytes, in a place that nobody else is ever given. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes > this.longest) return new Uint8Array(bytes)
    if (this.#used + bytes > this.#buffer.length) {
      this.#buffer = new Uint8Array(this.#size)
      this.#used = 0
    }
    const taken = this.#buffer.subarray(this.#used, this.#used + bytes)
    this.#used += bytes
    return taken
  }

  /**
   * What `write` writes into a place of at most `most` bytes; it gives how many these are, and may not call for a place itself. The
   * rest goes to whoever comes next.
   */
  fill(most: number, write: (target: Uint8Array<ArrayBuffer>) => number): Uint8Array<ArrayBuffer> {
    const target = this.take(most)
    const written = write(target)
    if (target.buffer === this.#buffer.buffer) this.#used -= most - written
    return target.subarray(0, written)
  }
}

/**
 * For what is on its way.
 *
 * @internal
 */
export const shared = new Slab(8192)

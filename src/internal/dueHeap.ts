/**
 * What can be kept in a `DueHeap`; the heap alone changes the fields.
 *
 * @internal
 */
export interface Due {
  /** When it is due. */
  lookAt: number
  /** Where it is in the heap; -1 if it is in none. */
  place: number
}

/**
 * A binary heap of what is due at a time, the earliest first. Each knows its place, so that it can be moved and taken out.
 *
 * @internal
 */
export class DueHeap<A extends Due> {
  readonly #all: Array<A> = []

  get size(): number {
    return this.#all.length
  }

  /** What is due first. */
  get first(): A | undefined {
    return this.#all[0]
  }

  /** Puts something in, or moves it. */
  put(it: A, lookAt: number): void {
    it.lookAt = lookAt
    if (it.place === -1) {
      this.#all.push(it)
      it.place = this.#all.length - 1
    }
    this.#sink(it, this.#rise(it))
  }

  remove(it: A): void {
    if (it.place === -1) return
    const hole = it.place
    it.place = -1
    const last = this.#all.pop()
    if (last === undefined || last === it) return
    last.place = hole
    this.#all[hole] = last
    this.#sink(last, this.#rise(last))
  }

  #swap(it: A, other: A): void {
    const { place } = it
    it.place = other.place
    other.place = place
    this.#all[it.place] = it
    this.#all[other.place] = other
  }

  /** Gives whether it moved. */
  #rise(it: A): boolean {
    const from = it.place
    for (;;) {
      const parent = this.#all[(it.place - 1) >> 1]
      if (it.place === 0 || parent === undefined || parent.lookAt <= it.lookAt) return it.place !== from
      this.#swap(it, parent)
    }
  }

  #sink(it: A, isPlaced: boolean): void {
    while (!isPlaced) {
      const left = this.#all[2 * it.place + 1]
      const right = this.#all[2 * it.place + 2]
      const child = right !== undefined && left !== undefined && right.lookAt < left.lookAt ? right : left
      if (child === undefined || child.lookAt >= it.lookAt) return
      this.#swap(it, child)
    }
  }
}

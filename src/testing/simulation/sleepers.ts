/**
 * Somebody who wants to be woken.
 *
 * @internal
 */
export interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/**
 * Those who sleep, in the order in which they are to be woken: by time, and at the same time first come, first served.
 *
 * @internal
 */
export class Sleepers {
  private readonly waiting: Array<Sleeper> = []

  get size(): number {
    return this.waiting.length
  }

  /** When the first one is to be woken. */
  get next(): number {
    return this.waiting[0]?.at ?? Infinity
  }

  add(sleeper: Sleeper): void {
    let from = 0
    let to = this.waiting.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.waiting[middle]?.at ?? Infinity) > sleeper.at) to = middle
      else from = middle + 1
    }
    this.waiting.splice(from, 0, sleeper)
  }

  remove(sleeper: Sleeper): void {
    const index = this.waiting.indexOf(sleeper)
    if (index !== -1) this.waiting.splice(index, 1)
  }

  wakeUntil(now: number): void {
    while (this.next <= now) this.waiting.shift()?.wake()
  }
}

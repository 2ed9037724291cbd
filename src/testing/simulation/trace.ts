/**
 * Something that happened in a run.
 *
 * @internal
 */
export interface TraceEvent {
  /** In milliseconds of virtual time. */
  readonly at: number
  /** A kernel, or "network". */
  readonly who: string
  readonly what: string
}

/**
 * Everything that happened in a run, as a number, and as text where it is asked for. Two runs with the same number went the
 * same way.
 *
 * @internal
 */
export class Trace {
  readonly events: Array<TraceEvent> = []
  private readonly now: () => number
  private readonly keeps: boolean
  private low = 0x811c9dc5
  private high = 0xc9dc5118

  constructor(now: () => number, keeps: boolean) {
    this.now = now
    this.keeps = keeps
  }

  add(who: string, what: string): void {
    const at = this.now()
    this.mix(`${at} ${who} ${what}`)
    if (this.keeps) this.events.push({ at, who, what })
  }

  get hash(): string {
    return [this.high, this.low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("")
  }

  private mix(text: string): void {
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index)
      this.low = Math.imul(this.low ^ code, 0x01000193)
      this.high = Math.imul(this.high ^ code, 0x85ebca6b) ^ (this.low >>> 13)
    }
  }
}

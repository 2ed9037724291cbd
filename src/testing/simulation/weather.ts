/**
 * Which faults are going on, so that what is promised for quiet times is asked of kernels then only.
 *
 * @internal
 */
export class Weather {
  private readonly now: () => number
  private active = 0
  private changedAt = -1
  private changes = 0

  constructor(now: () => number) {
    this.now = now
  }

  begin(): void {
    this.active += 1
    this.change()
  }

  end(): void {
    this.active -= 1
    this.change()
  }

  /** How often a fault began or ended. */
  get count(): number {
    return this.changes
  }

  /** Whether no fault has gone on, begun or ended since then. */
  isCalmSince(at: number): boolean {
    return this.active === 0 && this.changedAt < at
  }

  private change(): void {
    this.changedAt = this.now()
    this.changes += 1
  }
}

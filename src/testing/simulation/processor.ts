import type * as Scheduler from "effect/Scheduler"

/**
 * The processor of one kernel: while it sleeps nothing of the kernel runs, though time goes on.
 *
 * @internal
 */
export class Processor implements Scheduler.Scheduler {
  private readonly base: Scheduler.Scheduler
  private held: Array<readonly [task: Scheduler.Task, priority: number]> = []
  private asleep = false
  readonly shouldYield: Scheduler.Scheduler["shouldYield"]

  constructor(base: Scheduler.Scheduler) {
    this.base = base
    this.shouldYield = (fiber) => base.shouldYield(fiber)
  }

  scheduleTask(task: Scheduler.Task, priority: number): void {
    if (this.asleep) this.held.push([task, priority])
    else this.base.scheduleTask(task, priority)
  }

  sleep(): void {
    this.asleep = true
  }

  /** Gives how much waited for it. */
  wake(): number {
    this.asleep = false
    const { held } = this
    this.held = []
    for (const [task, priority] of held) this.base.scheduleTask(task, priority)
    return held.length
  }
}

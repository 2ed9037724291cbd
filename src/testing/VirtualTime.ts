/**
 * Virtual time for simulations: a clock that goes on to the next sleeper once every fiber rests, and the scheduler that
 * knows when that is. A minute of it takes as long as what happens in it, and a run with a seed repeats exactly.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Foreign from "./simulation/foreign.ts"
import { Sleepers } from "./simulation/sleepers.ts"

/**
 * Time of its own, for one run.
 *
 * @since 0.1.0
 * @category models
 */
export interface VirtualTime {
  readonly clock: Clock.Clock
  /** Runs what takes part in this time; a fiber hands it on to those that it forks. */
  readonly scheduler: Scheduler.Scheduler
  /** In milliseconds since the run began. */
  readonly now: () => number
  /** How many fibers sleep. */
  readonly sleeping: () => number
  /** Lets time pass until `done`, for `limit` at most; gives whether it was done. Time passes only in here. */
  readonly run: (done: () => boolean, limit: Duration.DurationInput) => Effect.Effect<boolean>
  /**
   * Time is over: it does not pass any more, and who does not sleep goes on as elsewhere. To be run before the fibers of this time are
   * interrupted, who could not end otherwise.
   */
  readonly end: Effect.Effect<void>
  /** Has an effect, and what it forks, take part in this time. */
  readonly within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** How many tasks one moment may take; more is a loop that waits for a time that does not come. */
const stuckLimit = 2_000_000

/** With nobody asleep nothing will happen any more, unless something real is under way. */
const idleLimit = 20

/** How often the event loop gets a turn, in jumps: what is outside, such as a signal, must not wait for the end of a long run. */
const jumpsPerTurn = 256

/** How many promises that wait for each other are waited for before nothing is taken to be under way. */
const promiseDepth = 16

/** Runs tasks when it is told to, in the order in which they came. */
class Tasks implements Scheduler.Scheduler {
  private queue: Array<() => void> = []
  private over = false

  shouldYield(fiber: Fiber.RuntimeFiber<unknown, unknown>): number | false {
    return fiber.currentOpCount > fiber.getFiberRef(FiberRef.currentMaxOpsBeforeYield)
      ? fiber.getFiberRef(FiberRef.currentSchedulingPriority)
      : false
  }

  scheduleTask(task: () => void): void {
    if (this.over) Scheduler.defaultScheduler.scheduleTask(task, 0)
    else this.queue.push(task)
  }

  end(): void {
    this.over = true
    for (const task of this.queue.splice(0)) Scheduler.defaultScheduler.scheduleTask(task, 0)
  }

  /** Runs what there is, and gives how much that was. */
  runAll(): number {
    const { queue } = this
    if (queue.length === 0) return 0
    this.queue = []
    for (const task of queue) task()
    return queue.length
  }
}

const clockOf = (now: () => number, sleepers: Sleepers): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: now,
  unsafeCurrentTimeNanos: () => BigInt(Math.round(now() * 1e6)),
  currentTimeMillis: Effect.sync(now),
  currentTimeNanos: Effect.sync(() => BigInt(Math.round(now() * 1e6))),
  sleep: (duration) =>
    Effect.async((resume) => {
      // Whole milliseconds, as real timers: of what is less than the rounding of a sum nobody would ever wake.
      const sleeper = { at: Math.ceil(now() + Duration.toMillis(duration)), wake: () => resume(Effect.void) }
      sleepers.add(sleeper)
      return Effect.sync(() => sleepers.remove(sleeper))
    })
})

/**
 * Makes time that begins at 0. Until the scope closes, WebCrypto answers in the order in which it is asked, in the whole
 * process: its threads would otherwise decide in which order fibers go on.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<VirtualTime, never, Scope.Scope> = Effect.gen(function* () {
  yield* Effect.acquireRelease(Effect.sync(Foreign.acquire), () => Effect.sync(Foreign.release))
  const tasks = new Tasks()
  const sleepers = new Sleepers()
  let time = 0
  let jumps = 0
  const now = () => time
  const clock = clockOf(now, sleepers)

  /** Passes once everything that can run without time has run. */
  const rest = async () => {
    let count = 0
    const drain = () => {
      for (let ran = tasks.runAll(); ran > 0; ran = tasks.runAll()) {
        count += ran
        if (count > stuckLimit) throw new Error(`time stands still at ${time}: a fiber runs without end`)
      }
    }
    for (let still = 0; still < promiseDepth; still += 1) {
      const before = count
      drain()
      if (count > before) still = 0
      await Promise.resolve()
      if (still < promiseDepth - 1 || !Foreign.isBusy()) continue
      await Foreign.releaseNext()
      await Foreign.turn()
      still = 0
    }
  }

  const jump = (to: number) => {
    time = Math.max(time, to)
    sleepers.wakeUntil(time)
    jumps += 1
    return jumps % jumpsPerTurn === 0 ? Foreign.turn() : undefined
  }

  const run = (done: () => boolean, limit: Duration.DurationInput) =>
    Effect.promise(async (signal) => {
      const end = time + Duration.toMillis(limit)
      for (let idle = 0; idle < idleLimit && !signal.aborted;) {
        await rest()
        if (done()) return true
        if (sleepers.next === Infinity) {
          idle += 1
          await Foreign.turn()
        } else if (sleepers.next > end) {
          time = end
          return false
        } else {
          idle = 0
          await jump(sleepers.next)
        }
      }
      return false
    })

  return {
    clock,
    scheduler: tasks,
    now,
    sleeping: () => sleepers.size,
    run,
    end: Effect.sync(() => tasks.end()),
    within: (effect) => Effect.withScheduler(Effect.withClock(effect, clock), tasks)
  }
})

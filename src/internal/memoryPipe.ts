import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scheduler from "effect/Scheduler"
import type { PeerId } from "../protocol/PeerId.ts"
import { sleepFor } from "./sleepFor.ts"

/**
 * What the simulated network runs on; all of it comes from Effect.
 *
 * @internal
 */
export interface Ground {
  readonly clock: Clock.Clock
  /** Pipes that deliver at the next turn of the scheduler. */
  readonly ready: Turn<Pipe>
  /** A number from 0 to below 1. */
  readonly random: () => number
  /** Starts a fiber that the network owns. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}

/**
 * Does something with each of a set of things at the next turn of the scheduler; one task, however many there are.
 *
 * @internal
 */
export class Turn<A> {
  private readonly scheduler: Scheduler.Scheduler
  private readonly act: (it: A) => void
  private things = new Set<A>()
  private scheduled = false

  constructor(scheduler: Scheduler.Scheduler, act: (it: A) => void) {
    this.scheduler = scheduler
    this.act = act
  }

  get size(): number {
    return this.things.size
  }

  add(it: A): void {
    this.things.add(it)
    if (this.scheduled) return
    this.scheduled = true
    this.scheduler.scheduleTask(this.run, 0)
  }

  remove(it: A): void {
    this.things.delete(it)
  }

  private readonly run = (): void => {
    this.scheduled = false
    const { things } = this
    this.things = new Set()
    for (const it of things) this.act(it)
  }
}

/**
 * How the network treats what one kernel sends to another, and how much that was.
 *
 * @internal
 */
export interface Path {
  readonly from: PeerId
  readonly to: PeerId
  latency: number
  jitter: number
  bytesPerSecond: number
  /** What happens to dials while nothing gets through. */
  silenced: "no" | "hang" | "unreachable"
  /** How many further channels each dial opens by mistake. */
  duplicates: number
  /** How the next chunk is damaged, on any channel. */
  spoiling: Spoiling
  /** When the channels that are dialed are gone again. */
  dropping: Dropping
  bytes: number
  dials: number
}

/**
 * What a bad network or peer makes of a stream: it ends in the middle of a chunk, or goes on with a frame that is too large.
 *
 * @internal
 */
export type Spoiling = "none" | "truncate" | "oversize"

/**
 * When a channel is gone again that was dialed: at once, or behind the first thing that its listener says.
 *
 * @internal
 */
export type Dropping = "no" | "atOnce" | "answered"

/** The length of a frame as a varint, of 2^34 bytes. */
const hugeLength = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x40)

/**
 * The end of a stream: orderly, told by the other side, or found out.
 *
 * @internal
 */
export type Signal = "fin" | "reset" | "vanished"

/**
 * Where a pipe ends.
 *
 * @internal
 */
export interface Sink {
  /** Whether nothing that arrives matters any more. */
  readonly isDone: () => boolean
  readonly take: (chunk: Uint8Array) => void
  readonly signal: (signal: Signal) => void
}

const nobody: Sink = { isDone: () => true, take: () => {}, signal: () => {} }

interface Flying {
  readonly arrives: number
  readonly what: Uint8Array | Signal
}

/** One fiber that lives as long as something is under way with a delay. */
interface Pump {
  fiber: Fiber.RuntimeFiber<void> | undefined
}

/**
 * One direction of a channel: never reorders, never has more than a window and one buffer unread at the other end.
 *
 * @internal
 */
export class Pipe {
  readonly path: Path
  sink: Sink = nobody
  /** Something was lost in silence, so that this stream can never be whole again. */
  torn = false
  private readonly ground: Ground
  private readonly window: number
  private readonly waiters = new Set<() => void>()
  private flying: Array<Flying> = []
  private backlog: Array<Uint8Array> = []
  private unread = 0
  private departed = 0
  private onFinished: (() => void) | undefined
  private breaking: { left: number; readonly onBreak: () => void } | undefined
  private pump: Pump | undefined

  constructor(ground: Ground, path: Path, window: number) {
    this.ground = ground
    this.path = path
    this.window = window
  }

  /** Takes bytes for good; they leave as the other end makes room. */
  write(bytes: Uint8Array): void {
    this.backlog.push(bytes)
    this.flush()
  }

  /** Whether everything written has left. */
  isFlushed(): boolean {
    return this.backlog.length === 0
  }

  /** Calls back once, when everything has left or the pipe broke; returns how to cancel that. */
  whenFlushed(callback: () => void): () => void {
    this.waiters.add(callback)
    return () => {
      this.waiters.delete(callback)
    }
  }

  /** Ends the stream behind everything written, and calls back when the end has left. */
  finish(onFinished: () => void): void {
    this.onFinished = onFinished
    this.flush()
  }

  /** Gives the writer back the room of bytes that were read. */
  credit(bytes: number): void {
    this.unread -= bytes
    this.flush()
  }

  /** Lets as many chunks more arrive, and behind them that the connection is gone. */
  breakAfter(chunks: number, onBreak: () => void): void {
    this.breaking = { left: chunks, onBreak }
  }

  /** Drops everything under way and sends only this. */
  breakOff(signal: Signal): void {
    this.stop()
    this.launch(signal)
  }

  /** Drops everything under way, and leaves neither fiber nor waiter behind. */
  stop(): void {
    this.flying = []
    this.backlog = []
    this.onFinished = undefined
    this.pump?.fiber?.unsafeInterruptAsFork(FiberId.none)
    this.pump = undefined
    this.ground.ready.remove(this)
    this.release()
  }

  private flush(): void {
    while (this.unread < this.window) {
      const chunk = this.backlog.shift()
      if (chunk === undefined) break
      this.unread += chunk.length
      this.path.bytes += chunk.length
      this.launch(chunk)
    }
    if (this.backlog.length > 0) return
    const { onFinished } = this
    if (onFinished !== undefined) {
      this.onFinished = undefined
      this.launch("fin")
      onFinished()
    }
    this.release()
  }

  private release(): void {
    for (const waiter of this.waiters) waiter()
    this.waiters.clear()
  }

  private launch(what: Uint8Array | Signal): void {
    const size = typeof what === "string" ? 0 : what.length
    if (size > 0 && this.breaks()) return
    if (this.path.silenced !== "no") this.torn = true
    else if (this.sink.isDone()) this.unread -= size
    else if (typeof what !== "string" && this.path.spoiling !== "none") this.spoil(what)
    else {
      const now = this.ground.clock.unsafeCurrentTimeMillis()
      this.flying.push({ arrives: this.arrival(now, size), what })
      this.arrange(now)
    }
  }

  /** Whether the connection is gone before this chunk. */
  private breaks(): boolean {
    const { breaking } = this
    if (breaking === undefined) return false
    breaking.left -= 1
    if (breaking.left === -1) {
      this.launch("vanished")
      breaking.onBreak()
    }
    return breaking.left < 0
  }

  /** The other end gets as many bytes less or more than were written, but credit for its own. */
  private spoil(chunk: Uint8Array): void {
    const { spoiling } = this.path
    this.path.spoiling = "none"
    const arrives = spoiling === "truncate" ? chunk.subarray(0, chunk.length >> 1) : hugeLength
    this.unread += arrives.length - chunk.length
    if (arrives.length > 0) this.launch(arrives)
    if (spoiling === "truncate") this.launch("fin")
  }

  private arrival(now: number, size: number): number {
    const { bytesPerSecond, jitter, latency } = this.path
    this.departed = Math.max(this.departed, now) + (bytesPerSecond === Infinity ? 0 : (size * 1000) / bytesPerSecond)
    const lag = latency + (jitter > 0 ? jitter * this.ground.random() : 0)
    return Math.ceil(this.departed + lag)
  }

  /** Sees to it that what is first under way arrives; what is behind it waits for it, even where it would be faster. */
  private arrange(now: number): void {
    const head = this.flying[0]
    if (head === undefined || this.pump !== undefined) return
    if (head.arrives <= now) this.ground.ready.add(this)
    else this.startPump()
  }

  /** Delivers what has arrived by now. */
  turn(): void {
    this.deliver()
    this.arrange(this.ground.clock.unsafeCurrentTimeMillis())
  }

  private startPump(): void {
    const pump: Pump = { fiber: undefined }
    this.pump = pump
    pump.fiber = this.ground.fork(
      Effect.whileLoop({
        while: () => this.goesOn(pump),
        body: () => {
          const { clock } = this.ground
          return sleepFor(clock, (this.flying[0]?.arrives ?? 0) - clock.unsafeCurrentTimeMillis())
        },
        step: () => this.deliver()
      })
    )
  }

  private goesOn(pump: Pump): boolean {
    if (this.pump !== pump) return false
    if (this.flying.length === 0) this.pump = undefined
    return this.pump !== undefined
  }

  private deliver(): void {
    const now = this.ground.clock.unsafeCurrentTimeMillis()
    let due = 0
    while ((this.flying[due]?.arrives ?? Infinity) <= now) due++
    const landed = due === this.flying.length ? this.flying : this.flying.slice(0, due)
    this.flying = due === this.flying.length ? [] : this.flying.slice(due)
    for (const { what } of landed) {
      if (typeof what === "string") this.sink.signal(what)
      else if (this.sink.isDone()) this.credit(what.length)
      else this.sink.take(what)
    }
  }
}

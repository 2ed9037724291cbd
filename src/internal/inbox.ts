import * as Effect from "effect/Effect"
import { Signal } from "./signal.ts"

/**
 * A queue between one producer, which never waits unless it asks to, and one consumer, which takes everything at once. The capacity is in bytes.
 *
 * @internal
 */
export class Inbox<A> {
  readonly #capacity: number
  readonly #onWeight: (delta: number) => void
  readonly #filled = new Signal(false)
  /** There only while the inbox is full. */
  #drained: Effect.Latch | undefined
  #items: Array<A> = []
  #weight = 0
  #listener: (() => void) | undefined

  constructor(capacity: number, onWeight: (delta: number) => void = () => undefined) {
    this.#capacity = capacity
    this.#onWeight = onWeight
  }

  /** `bytes` is what the item weighs. */
  offer(item: A, bytes: number): void {
    this.#items.push(item)
    this.#weight += bytes
    this.#onWeight(bytes)
    if (!this.hasRoom) this.#drained ??= Effect.unsafeMakeLatch(false)
    this.#filled.raise()
    this.#listener?.()
  }

  /** Whether what is untaken weighs less than the capacity. */
  get hasRoom(): boolean {
    return this.#weight < this.#capacity
  }

  /** Waits until there is room. */
  get room(): Effect.Effect<void> {
    return Effect.suspend(() => this.#drained?.await ?? Effect.void)
  }

  /** What `take` would take now. */
  peek(): ReadonlyArray<A> {
    return this.#items
  }

  /** Takes all items. */
  poll(): ReadonlyArray<A> {
    return this.#items.length === 0 ? this.#items : this.#empty()
  }

  /** Takes all items, at least one. */
  get take(): Effect.Effect<ReadonlyArray<A>> {
    return Effect.suspend(() => this.#takeNow())
  }

  /** Calls back, in place of whom it called before, whenever there is something to take; at once if there is already. */
  listen(onFilled: (() => void) | undefined): void {
    this.#listener = onFilled
    if (this.#items.length > 0) onFilled?.()
  }

  /** What is untaken weighs nothing any more: nobody will take it. */
  discard(): void {
    this.#empty()
  }

  #takeNow(): Effect.Effect<ReadonlyArray<A>> {
    return this.#items.length > 0
      ? Effect.succeed(this.#empty())
      : Effect.flatMap(this.#filled.wait, () => this.#takeNow())
  }

  #empty(): ReadonlyArray<A> {
    const taken = this.#items
    this.#items = []
    this.#onWeight(-this.#weight)
    this.#weight = 0
    this.#filled.lower()
    this.#drained?.unsafeOpen()
    this.#drained = undefined
    return taken
  }
}

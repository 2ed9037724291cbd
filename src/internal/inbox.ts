import * as Effect from "effect/Effect"
import { Signal } from "./signal.ts"

/**
 * A queue between one producer, which never waits unless it asks to, and one consumer, which takes everything at once. The capacity is in bytes.
 *
 * @internal
 */
export interface Inbox<A> {
  /** `bytes` is what the item weighs. */
  readonly offer: (item: A, bytes: number) => void
  /** Whether what is untaken weighs less than the capacity. */
  readonly hasRoom: () => boolean
  /** Waits until there is room. */
  readonly room: Effect.Effect<void>
  /** What `take` would take now. */
  readonly peek: () => ReadonlyArray<A>
  /** Takes all items, at least one. */
  readonly take: Effect.Effect<ReadonlyArray<A>>
  /** What is untaken weighs nothing any more: nobody will take it. */
  readonly discard: () => void
}

/**
 * @internal
 */
export const makeInbox = <A>(capacity: number, onWeight: (delta: number) => void = () => undefined): Inbox<A> => {
  const filled = new Signal(false)
  const drained = Effect.unsafeMakeLatch(true)
  let items: Array<A> = []
  let weight = 0
  const empty = (): ReadonlyArray<A> => {
    const taken = items
    items = []
    onWeight(-weight)
    weight = 0
    filled.lower()
    drained.unsafeOpen()
    return taken
  }
  const takeNow = (): Effect.Effect<ReadonlyArray<A>> =>
    items.length > 0 ? Effect.succeed(empty()) : Effect.flatMap(filled.wait, takeNow)
  return {
    offer: (item, bytes) => {
      items.push(item)
      weight += bytes
      onWeight(bytes)
      if (weight >= capacity) drained.unsafeClose()
      filled.raise()
    },
    hasRoom: () => weight < capacity,
    room: drained.await,
    peek: () => items,
    take: Effect.suspend(takeNow),
    discard: () => void empty()
  }
}

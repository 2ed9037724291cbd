import * as Effect from "effect/Effect"

/**
 * A queue between one producer, which never waits unless it asks to, and one consumer, which takes everything at once. The capacity is in bytes.
 *
 * @internal
 */
export interface Inbox<A> {
  /** `bytes` is what the item weighs. */
  readonly offer: (item: A, bytes: number) => void
  /** Waits until what is untaken weighs less than the capacity. */
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
  const filled = Effect.unsafeMakeLatch(false)
  const drained = Effect.unsafeMakeLatch(true)
  let items: Array<A> = []
  let weight = 0
  return {
    offer: (item, bytes) => {
      items.push(item)
      weight += bytes
      onWeight(bytes)
      if (weight >= capacity) drained.unsafeClose()
      filled.unsafeOpen()
    },
    room: drained.await,
    peek: () => items,
    take: Effect.map(filled.await, () => {
      const taken = items
      items = []
      onWeight(-weight)
      weight = 0
      filled.unsafeClose()
      drained.unsafeOpen()
      return taken
    }),
    discard: () => {
      items = []
      onWeight(-weight)
      weight = 0
      filled.unsafeClose()
      drained.unsafeOpen()
    }
  }
}

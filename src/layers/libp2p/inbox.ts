/**
 * What has arrived on a channel and nobody has taken yet.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

/** What a frame costs beside its bytes, so that many tiny ones count as what they occupy. */
const overhead = 64

/**
 * Frames in order for one reader, then a failure.
 *
 * @internal
 */
export interface Inbox<E> {
  /** Roughly what is held, in bytes. */
  readonly size: () => number
  readonly offer: (frames: ReadonlyArray<Uint8Array>) => void
  /** What the reader gets after the last frame, as it is then; the first one counts. */
  readonly fail: (error: () => E) => void
  readonly clear: () => void
  /** Takes everything, at least one frame. Interruption loses nothing. */
  readonly take: Effect.Effect<ReadonlyArray<Uint8Array>, E>
}

/**
 * An empty inbox that says when it has been emptied.
 *
 * @internal
 */
export const make = <E>(onTaken: () => void): Inbox<E> => {
  type Take = Effect.Effect<ReadonlyArray<Uint8Array>, E>
  let frames: Array<Uint8Array> = []
  let size = 0
  let failure: Effect.Effect<never, E> | undefined
  let reader: ((take: Take) => void) | undefined

  const wake = () => {
    const waiting = reader
    reader = undefined
    waiting?.(take)
  }
  const clear = () => {
    frames = []
    size = 0
  }
  const take: Take = Effect.suspend(() => {
    if (frames.length > 0) {
      const taken = frames
      clear()
      onTaken()
      return Effect.succeed(taken)
    }
    return (
      failure ??
      Effect.async<ReadonlyArray<Uint8Array>, E>((resume) => {
        if (frames.length > 0 || failure !== undefined) return resume(take)
        reader = resume
        return Effect.sync(() => {
          if (reader === resume) reader = undefined
        })
      })
    )
  })
  return {
    size: () => size,
    offer: (more) => {
      for (const frame of more) {
        frames.push(frame)
        size += frame.byteLength + overhead
      }
      if (more.length > 0) wake()
    },
    fail: (error) => {
      failure ??= Effect.failSync(error)
      wake()
    },
    clear,
    take
  }
}

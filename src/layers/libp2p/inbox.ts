/**
 * What has arrived on a channel and nobody has taken yet.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Frame from "../../protocol/Frame.ts"

/** What a view costs beside its bytes (115 in V8, and its place in the list), so that many tiny frames count as what they are. */
const overhead = 128

/** From how many bytes on a peer says much: no more than one read of a socket brings. */
const much = 32_768

/**
 * Frames in order for one reader, then a failure.
 *
 * @internal
 */
export interface Inbox<E> {
  /** Whether so much lies here that no more should be read. */
  readonly isFull: () => boolean
  /**
   * Takes what has arrived. While the inbox is full it stays as it came: taken apart, frames of a few bytes would occupy
   * many times what the peer sent.
   */
  readonly push: (chunks: Iterable<Uint8Array>) => void
  /** What the reader gets after the last frame, as it is then; the first one counts. */
  readonly fail: (error: () => E) => void
  readonly clear: () => void
  /** Takes all frames there are, at least one. Interruption loses nothing. */
  readonly take: Effect.Effect<ReadonlyArray<Uint8Array>, E>
}

/**
 * @internal
 */
export interface Options {
  readonly decoder: Frame.Decoder
  /** From how many bytes on the inbox is full. */
  readonly limit: number
  /**
   * Runs something when what has arrived by now has been read. A peer that says much is heard then, so that what comes in many
   * pieces is one transaction, one ACK and one turn of each fiber; who says little is heard at once.
   */
  readonly later: (run: () => void) => void
  /** There is room again. */
  readonly onRoom: () => void
  /** The peer broke this rule; the frames before it are still there for the reader, and nothing comes after them. */
  readonly onViolation: (reason: string) => void
}

/**
 * An empty inbox.
 *
 * @internal
 */
export const make = <E>({ decoder, later, limit, onRoom, onViolation }: Options): Inbox<E> => {
  type Take = Effect.Effect<ReadonlyArray<Uint8Array>, E>
  let frames: Array<Uint8Array> = []
  let size = 0
  let undecoded: Array<Uint8Array> = []
  let failure: Effect.Effect<never, E> | undefined
  let reader: ((take: Take) => void) | undefined
  let isPutOff = false

  const isFull = () => size >= limit
  const hold = (more: ReadonlyArray<Uint8Array>) => {
    for (const frame of more) {
      frames.push(frame)
      size += frame.byteLength + overhead
    }
  }
  const empty = () => {
    frames = []
    size = 0
  }
  const decode = () => {
    let decoded = 0
    for (const chunk of undecoded) {
      if (isFull()) break
      decoded += 1
      const found = decoder.push(chunk)
      if (Either.isRight(found)) {
        hold(found.right)
        continue
      }
      hold(decoder.beforeViolation())
      undecoded = []
      return onViolation(found.left)
    }
    undecoded = undecoded.slice(decoded)
  }
  const wake = () => {
    const waiting = reader
    reader = undefined
    waiting?.(take)
  }
  const take: Take = Effect.suspend(() => {
    if (frames.length > 0) {
      const taken = frames
      empty()
      decode()
      if (!isFull()) onRoom()
      return Effect.succeed(taken)
    }
    return (
      failure ??
      Effect.async<ReadonlyArray<Uint8Array>, E>((resume) => {
        // Nothing to undo when it is interrupted: who is woken then looks at nothing, and the next one finds what there is.
        reader = resume
      })
    )
  })
  return {
    isFull,
    push: (chunks) => {
      for (const chunk of chunks) undecoded.push(chunk)
      decode()
      if (frames.length === 0 || reader === undefined) return
      if (size < much || isFull()) return wake()
      if (isPutOff) return
      isPutOff = true
      later(() => {
        isPutOff = false
        if (frames.length > 0) wake()
      })
    },
    fail: (error) => {
      failure ??= Effect.failSync(error)
      wake()
    },
    clear: () => {
      empty()
      undecoded = []
    },
    take
  }
}

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

/** How many frames are taken in one turn of the event loop at most, so that nobody waits long behind a peer that says much. */
const most = 256

/**
 * @internal
 */
export interface Options {
  readonly decoder: Frame.Decoder
  /** From how many bytes on the inbox is full; what has been taken apart counts with what its views cost. */
  readonly limit: number
  /**
   * Runs something when what has arrived by now has been read. A peer that says much is heard then, so that what comes in many
   * pieces is one transaction, one ACK and one turn of each fiber; who says little is heard at once. What is too much for one turn
   * waits for the next.
   */
  readonly later: (run: () => void) => void
  /** There is room again. */
  readonly onRoom: () => void
  /** The peer broke this rule; the frames before it are still there for the reader, and nothing comes after them. */
  readonly onViolation: (reason: string) => void
}

/**
 * Frames in order for one reader, then a failure.
 *
 * @internal
 */
export class Inbox<E> {
  readonly #options: Options
  #frames: Array<Uint8Array> = []
  #size = 0
  /** What has arrived behind the frames that are taken next. */
  #undecoded: Array<Uint8Array> | undefined
  #failure: (() => E) | undefined
  #reader: (() => void) | undefined
  #isPutOff = false

  constructor(options: Options) {
    this.#options = options
  }

  /** Whether so much lies here that no more should be read. */
  get isFull(): boolean {
    return this.#size >= this.#options.limit
  }

  /** Takes the frames that there are: all that may be taken in this turn of the event loop. */
  poll(): ReadonlyArray<Uint8Array> {
    if (this.#frames.length === 0 || this.#isPutOff) return []
    const taken = this.#portion()
    this.#decode()
    if (!this.isFull) this.#options.onRoom()
    if (taken.length === most && this.#frames.length > 0) this.#putOff()
    return taken
  }

  /** As `poll`, but waits for at least one. Interruption loses nothing. */
  get take(): Effect.Effect<ReadonlyArray<Uint8Array>, E> {
    return Effect.suspend(() => this.#takeNow())
  }

  /**
   * Takes what has arrived. No more of it is taken apart than is taken next: frames of a few bytes would occupy many times what the
   * peer sent, and each is one thing more that a garbage collection has to look at.
   */
  push(chunks: Iterable<Uint8Array>): void {
    const undecoded = (this.#undecoded ??= [])
    for (const chunk of chunks) {
      undecoded.push(chunk)
      this.#size += chunk.length
    }
    this.#decode()
    if (this.#frames.length === 0 || this.#reader === undefined || this.#isPutOff) return
    if (this.#size < much) this.#wake()
    else this.#putOff()
  }

  /** What the reader gets after the last frame, as it is then; the first one counts. */
  fail(error: () => E): void {
    this.#failure ??= error
    if (this.#isReadable) this.#wake()
  }

  clear(): void {
    this.#frames = []
    this.#undecoded = undefined
    this.#size = 0
  }

  /** Calls back once, when there is something to take or to fail with; at once if there is already. */
  listen(onReadable: () => void): void {
    if (this.#isReadable) onReadable()
    else this.#reader = onReadable
  }

  get #isReadable(): boolean {
    return this.#frames.length > 0 ? !this.#isPutOff : this.#failure !== undefined
  }

  #takeNow(): Effect.Effect<ReadonlyArray<Uint8Array>, E> {
    const taken = this.poll()
    if (taken.length > 0) return Effect.succeed(taken)
    if (this.#frames.length === 0 && this.#failure !== undefined) return Effect.failSync(this.#failure)
    // Nothing to undo when it is interrupted: who is woken then looks at nothing, and the next one finds what there is.
    return Effect.async((resume) => this.listen(() => resume(this.take)))
  }

  #decode(): void {
    const undecoded = this.#undecoded ?? []
    let decoded = 0
    for (const chunk of undecoded) {
      if (this.#frames.length >= most) break
      decoded += 1
      this.#size -= chunk.length
      const found = this.#options.decoder.push(chunk)
      if (Either.isRight(found)) {
        this.#hold(found.right)
        continue
      }
      this.#hold(this.#options.decoder.beforeViolation())
      this.#forget()
      return this.#options.onViolation(found.left)
    }
    this.#undecoded = decoded === undecoded.length ? undefined : undecoded.slice(decoded)
  }

  #hold(more: ReadonlyArray<Uint8Array>): void {
    for (const frame of more) {
      this.#frames.push(frame)
      this.#size += frame.byteLength + overhead
    }
  }

  /** What is left is for another turn. */
  #portion(): ReadonlyArray<Uint8Array> {
    const all = this.#frames
    const first = all.length <= most ? all : all.slice(0, most)
    this.#frames = all.length <= most ? [] : all.slice(most)
    for (const frame of first) this.#size -= frame.byteLength + overhead
    return first
  }

  #putOff(): void {
    this.#isPutOff = true
    this.#options.later(() => {
      this.#isPutOff = false
      if (this.#isReadable) this.#wake()
    })
  }

  /** Nothing is read any more of what was not taken apart. */
  #forget(): void {
    this.#undecoded = undefined
    this.#size = this.#frames.reduce((size, frame) => size + frame.byteLength + overhead, 0)
  }

  #wake(): void {
    const reader = this.#reader
    this.#reader = undefined
    reader?.()
  }
}

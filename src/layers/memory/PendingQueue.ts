import type { PendingDeadline, PendingMessage } from "../../services/RemoteStore.ts"
import { Slab } from "../../protocol/Slab.ts"

/**
 * Takes back one change; to be called in reverse order of the changes.
 *
 * @internal
 */
export type Undo = () => void

const readOf = ({ body, seq }: PendingMessage): PendingMessage => ({ seq, body })

/** Whether a body keeps little more than itself from being collected; short ones share a buffer with others. */
const isAlone = ({ buffer, byteLength }: Uint8Array): boolean => 2 * byteLength >= buffer.byteLength

const keptAlone = ({ body, expiresAt, seq }: PendingMessage, slab: Slab): PendingMessage => {
  if (isAlone(body)) return { seq, body, expiresAt }
  const copy = slab.take(body.length)
  copy.set(body)
  return { seq, body: copy, expiresAt }
}

/** Those that are to be kept: what is not alone in its buffer is copied into one, because the messages of a transaction mostly go together. */
const keptOf = (messages: ReadonlyArray<PendingMessage>, slab: Slab): ReadonlyArray<PendingMessage> => {
  const [only] = messages
  if (only !== undefined && messages.length === 1) return [keptAlone(only, slab)]
  const buffer = new Uint8Array(messages.reduce((bytes, { body }) => bytes + (isAlone(body) ? 0 : body.length), 0))
  let offset = 0
  return messages.map((message) => {
    const { body, expiresAt, seq } = message
    if (isAlone(body)) return { seq, body, expiresAt }
    buffer.set(body, offset)
    const copy = { seq, body: buffer.subarray(offset, offset + body.length), expiresAt }
    offset += body.length
    return copy
  })
}

/**
 * What is pending for one peer, in rising order of `seq`. Each operation costs what it touches, and can be taken back
 * until `compact` lets go of what was removed.
 *
 * @internal
 */
export class PendingQueue {
  readonly #messages: Array<PendingMessage> = []
  /** For what comes alone: one peer's messages leave in the order in which they came, and their buffers with them. */
  readonly #slab = new Slab(2048)
  #head = 0
  #bytes = 0

  get size(): number {
    return this.#messages.length - this.#head
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Another queue with the same messages; the bodies are never written to, so that both may hold them. */
  copy(): PendingQueue {
    const copy = new PendingQueue()
    copy.#messages.push(...this.#messages.slice(this.#head))
    copy.#bytes = this.#bytes
    return copy
  }

  /** Appends messages, or returns the `seq` that does not rise. */
  append(messages: ReadonlyArray<PendingMessage>): Undo | number {
    let last = this.size === 0 ? 0 : (this.#messages.at(-1)?.seq ?? 0)
    for (const { seq } of messages) {
      if (seq <= last) return seq
      last = seq
    }
    const length = this.#messages.length
    const bytes = this.#bytes
    for (const message of keptOf(messages, this.#slab)) {
      this.#messages.push(message)
      this.#bytes += message.body.length
    }
    return () => {
      this.#messages.length = length
      this.#bytes = bytes
    }
  }

  /** Removes everything up to and including `throughSeq`. */
  remove(throughSeq: number): Undo {
    const head = this.#head
    const bytes = this.#bytes
    for (
      let next = this.#messages[head];
      next !== undefined && next.seq <= throughSeq;
      next = this.#messages[this.#head]
    ) {
      this.#bytes -= next.body.length
      this.#head++
    }
    return () => {
      this.#head = head
      this.#bytes = bytes
    }
  }

  /** Those from `fromSeq` on, as many as both limits allow, and one at least. */
  read(fromSeq: number, maxMessages: number, maxBytes: number): ReadonlyArray<PendingMessage> {
    const read: Array<PendingMessage> = []
    let bytes = 0
    for (let at = this.#indexOf(fromSeq); at < this.#messages.length; at++) {
      const message = this.#messages[at]
      if (message === undefined) break
      bytes += message.body.length
      if (read.length > 0 && (read.length >= maxMessages || bytes > maxBytes)) break
      read.push(readOf(message))
    }
    return read
  }

  /** Those that have a body, oldest first. */
  get whole(): ReadonlyArray<PendingMessage> {
    return this.#messages.slice(this.#head).filter(({ body }) => body.length > 0)
  }

  /** The deadlines above `afterSeq`. */
  deadlines(afterSeq: number): ReadonlyArray<PendingDeadline> {
    return this.#messages
      .slice(this.#indexOf(afterSeq + 1))
      .flatMap(({ expiresAt, seq }) => (expiresAt === undefined ? [] : [{ seq, expiresAt }]))
  }

  /** Takes the bodies of what is above `afterSeq` and is to end; gives them, and how to take that back. */
  end(
    afterSeq: number,
    ends: (message: PendingMessage) => boolean
  ): { readonly ended: ReadonlyArray<PendingMessage>; readonly undo: Undo } {
    const bytes = this.#bytes
    const ended: Array<PendingMessage> = []
    const places: Array<number> = []
    for (let place = this.#indexOf(afterSeq + 1); place < this.#messages.length; place++) {
      const message = this.#messages[place]
      if (message === undefined || !ends(message)) continue
      ended.push(message)
      places.push(place)
      this.#messages[place] = { seq: message.seq, body: new Uint8Array(0) }
      this.#bytes -= message.body.length
    }
    const undo = () => {
      ended.forEach((message, index) => {
        const place = places[index]
        if (place !== undefined) this.#messages[place] = message
      })
      this.#bytes = bytes
    }
    return { ended, undo }
  }

  /** Lets go of what was removed, at a constant cost per message in the long run. */
  compact(): void {
    if (this.#head * 2 < this.#messages.length) return
    this.#messages.splice(0, this.#head)
    this.#head = 0
  }

  #indexOf(fromSeq: number): number {
    let low = this.#head
    let high = this.#messages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#messages[middle]?.seq ?? Infinity) < fromSeq) low = middle + 1
      else high = middle
    }
    return low
  }
}

import type { Hello } from "../../protocol/Handshake.ts"
import type * as Session from "../../protocol/Session.ts"

/**
 * A message of the model: it has a name of its own, and may refuse one of the peer's, by its number.
 *
 * @internal
 */
export interface Message {
  readonly id: number
  readonly refuses: number | undefined
}

/**
 * @internal
 */
export type Frame =
  | { readonly _tag: "Hello"; readonly hello: Hello }
  | { readonly _tag: "Answer"; readonly hello: Hello }
  | { readonly _tag: "Confirm" }
  /** Without a message it is an ACK alone. */
  | { readonly _tag: "Message"; readonly seq: number; readonly ack: number; readonly message: Message | undefined }

/**
 * A kernel, as a wire knows it.
 *
 * @internal
 */
export interface End {
  readonly up: boolean
  /** Counts its processes. */
  readonly life: number
  readonly hear: (wire: Wire, frame: Frame) => void
  /** The wire is gone, or the peer ended it. */
  readonly lost: (wire: Wire) => void
}

/**
 * How frames travel.
 *
 * @internal
 */
export interface Medium {
  readonly now: () => number
  readonly at: (time: number, act: () => void) => void
  /** How long a frame takes now. */
  readonly lag: (from: End) => number
  /** Whether what is sent now gets lost in silence. */
  readonly isSilent: (from: End) => boolean
}

/** How long it takes until a hole in a stream is noticed, in milliseconds. */
const patience = 10_000

/**
 * A channel between two kernels of the model: in order, and whole, or gone.
 *
 * @internal
 */
export class Wire {
  readonly dialer: End
  /** What the dialer said, what the listener heard, and what both made of it. */
  hello: Hello | undefined
  heard: Hello | undefined
  greeted: Session.Verdict | undefined
  verdict: Session.Verdict | undefined
  private readonly listener: End
  private readonly medium: Medium
  private readonly lives: readonly [number, number]
  private readonly ended = new Set<End>()
  private readonly arrivals = new Map<End, number>()
  private torn = false

  constructor(dialer: End, listener: End, medium: Medium) {
    this.dialer = dialer
    this.listener = listener
    this.medium = medium
    this.lives = [dialer.life, listener.life]
  }

  send(from: End, frame: Frame): void {
    if (this.ended.has(from)) return
    const to = from === this.dialer ? this.listener : this.dialer
    this.travel(from, () => {
      if (!this.ended.has(to) && this.isAlive(to)) to.hear(this, frame)
    })
  }

  /** One side is done with it; the other learns of it behind what was said before. */
  end(by: End): void {
    if (this.ended.has(by)) return
    this.ended.add(by)
    this.tell(by === this.dialer ? this.listener : this.dialer, by)
  }

  /** It is gone, for both. */
  cut(): void {
    for (const side of [this.dialer, this.listener]) {
      if (this.ended.has(side)) continue
      this.ended.add(side)
      this.medium.at(this.medium.now() + 1, () => {
        if (this.isAlive(side)) side.lost(this)
      })
    }
  }

  private tell(side: End, by: End): void {
    this.travel(by, () => {
      if (this.ended.has(side)) return
      this.ended.add(side)
      if (this.isAlive(side)) side.lost(this)
    })
  }

  private travel(from: End, arrive: () => void): void {
    if (this.medium.isSilent(from)) return this.tear()
    if (this.torn) return
    const arrival = Math.max(this.arrivals.get(from) ?? 0, this.medium.now() + this.medium.lag(from))
    this.arrivals.set(from, arrival)
    this.medium.at(arrival, arrive)
  }

  private tear(): void {
    if (this.torn) return
    this.torn = true
    this.medium.at(this.medium.now() + patience, () => this.cut())
  }

  private isAlive(side: End): boolean {
    return side.up && side.life === this.lives[side === this.dialer ? 0 : 1]
  }
}

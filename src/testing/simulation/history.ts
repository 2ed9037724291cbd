/**
 * A message as its sender knows it: it was accepted, or it cannot be told because the kernel died meanwhile.
 *
 * @internal
 */
export interface Sent {
  readonly from: string
  readonly to: string
  readonly text: string
  readonly state: "accepted" | "unknown"
  /** Where it is known. */
  readonly seq: number | undefined
  /** When it was accepted, in virtual time. */
  readonly at: number
}

/**
 * What a kernel has in its own tables: committed with the turns that it belongs to, and gone with its disk.
 *
 * @internal
 */
export type Entry =
  | { readonly _tag: "Received"; readonly from: string; readonly text: string }
  /** A message that was handed in inside of a turn. */
  | { readonly _tag: "Sent"; readonly to: string; readonly text: string; readonly seq: number; readonly at: number }
  /** The end of a conversation was told. */
  | { readonly _tag: "Told"; readonly peer: string; readonly why: string }
  | { readonly _tag: "Noted"; readonly note: string }

/**
 * What `Receipt.acknowledged` said.
 *
 * @internal
 */
export interface Outcome {
  readonly from: string
  readonly to: string
  readonly text: string
  readonly outcome: "acknowledged" | "rejected" | "unknown"
}

/**
 * What the harness saw of a run, independent of what the library says about itself: what kernels handed in, what they were told
 * became of it, and which faults make it legitimate that a conversation ended.
 *
 * @internal
 */
export class History {
  readonly sent = new Map<string, Sent>()
  readonly outcomes: Array<Outcome> = []
  readonly problems: Array<string> = []
  /** When a message was committed by its receiver, in virtual time. */
  readonly committedAt = new Map<string, number>()
  /** Kernels that went on with an older disk, and kernels that went on with none. */
  readonly restored = new Set<string>()
  readonly wiped = new Set<string>()
  /** When a kernel last did one or the other. */
  readonly rolledBack = new Map<string, number>()
  /** Who gave up whom. */
  readonly givenUp = new Set<string>()

  note(sent: Sent): void {
    const key = keyOf(sent.from, sent.to, sent.text)
    const known = this.remembered(key)
    if (known !== undefined && known.state === "accepted" && sent.state === "accepted" && known.seq !== sent.seq) {
      this.problems.push(`${sent.from} handed in twice for ${sent.to}, and so cannot be told apart: ${sent.text}`)
    }
    if (known === undefined || known.state === "unknown") this.sent.set(key, sent)
  }

  /** What its sender still knows that it handed in: it may say again what it said before its store went back in time. */
  private remembered(key: string): Sent | undefined {
    const sent = this.sent.get(key)
    return sent === undefined || sent.at <= (this.rolledBack.get(sent.from) ?? -1) ? undefined : sent
  }
}

/**
 * @internal
 */
export const keyOf = (from: string, to: string, text: string): string => `${from}>${to} ${text}`

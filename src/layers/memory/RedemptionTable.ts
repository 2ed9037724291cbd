import type { PeerId } from "../../protocol/PeerId.ts"
import type { StoredRedemption } from "../../services/RemoteStore.ts"
import type { Undo } from "./PendingQueue.ts"

const keyOf = (peer: PeerId, replyKey: string): string => `${peer} ${replyKey}`

/**
 * The redemptions that were asked of peers; each change tells the journal how to take it back.
 *
 * @internal
 */
export class RedemptionTable {
  readonly #rows = new Map<string, StoredRedemption>()
  readonly #journal: Array<Undo>

  constructor(journal: Array<Undo>) {
    this.#journal = journal
  }

  /** Begins with what another table has; not to be taken back. */
  load(from: RedemptionTable): void {
    for (const [key, row] of from.#rows) this.#rows.set(key, row)
  }

  put(redemption: StoredRedemption): void {
    const { answer } = redemption
    const row = { ...redemption, answer: answer === undefined ? undefined : { ...answer } }
    this.#set(keyOf(redemption.peerId, redemption.replyKey), row)
  }

  of(peer: PeerId): ReadonlyArray<StoredRedemption> {
    return [...this.#rows.values()]
      .filter(({ peerId }) => peerId === peer)
      .sort((a, b) => a.expiresAt - b.expiresAt || (a.replyKey < b.replyKey ? -1 : 1))
  }

  remove(peer: PeerId, replyKey: string): void {
    this.#set(keyOf(peer, replyKey), undefined)
  }

  clear(peer: PeerId): void {
    for (const { replyKey } of this.of(peer)) this.remove(peer, replyKey)
  }

  #set(key: string, row: StoredRedemption | undefined): void {
    const before = this.#rows.get(key)
    const set = (to: StoredRedemption | undefined) =>
      to === undefined ? this.#rows.delete(key) : this.#rows.set(key, to)
    set(row)
    this.#journal.push(() => set(before))
  }
}

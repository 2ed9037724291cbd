import * as Option from "effect/Option"
import type {
  DeadLetter,
  DeadLetterReason,
  IssuedUrl,
  KnownRelay,
  PendingDeadline,
  PendingMessage,
  RemoteRecord,
  StoredIdentity
} from "../../services/RemoteStore.ts"
import * as Introduction from "../../protocol/Introduction.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import { fairShares } from "../../internal/fairShares.ts"
import { PendingQueue, type Undo } from "./PendingQueue.ts"
import { RedemptionTable } from "./RedemptionTable.ts"

interface Why {
  readonly epoch: number
  readonly reason: DeadLetterReason
  readonly detail: string
  readonly at: number
}

/**
 * What is on a disk, with a journal of how to take back what is not committed.
 *
 * @internal
 */
export class DiskState {
  #identity: Option.Option<StoredIdentity> = Option.none()
  readonly #introductions = new Map<number, string>()
  #relays: ReadonlyArray<KnownRelay> = []
  readonly #issued = new Map<string, IssuedUrl>()
  readonly #remotes = new Map<PeerId, RemoteRecord>()
  readonly #pending = new Map<PeerId, PendingQueue>()
  #letters: ReadonlyArray<DeadLetter> = []
  #nextLetter = 1
  readonly #journal: Array<Undo> = []
  readonly redemptions = new RedemptionTable(this.#journal)
  readonly #touched = new Set<PeerId>()
  readonly #maxDeadLetters: number

  constructor(maxDeadLetters: number) {
    this.#maxDeadLetters = maxDeadLetters
  }

  /** What is committed, for another disk to begin with. */
  copy(): DiskState {
    const copy = new DiskState(this.#maxDeadLetters)
    if (this.#journal.length > 0) throw new Error("a disk is copied between two transactions")
    copy.#identity = this.#identity
    for (const [place, introduction] of this.#introductions) copy.#introductions.set(place, introduction)
    copy.#relays = this.#relays
    for (const [id, issued] of this.#issued) copy.#issued.set(id, issued)
    copy.redemptions.load(this.redemptions)
    for (const [peer, record] of this.#remotes) copy.#remotes.set(peer, record)
    for (const [peer, queue] of this.#pending) copy.#pending.set(peer, queue.copy())
    copy.#letters = this.#letters
    copy.#nextLetter = this.#nextLetter
    return copy
  }

  /** Where the journal stands, for `undoTo`. */
  get mark(): number {
    return this.#journal.length
  }

  undoTo(mark: number): void {
    while (this.#journal.length > mark) this.#journal.pop()?.()
  }

  /** Makes everything so far last. */
  commit(): void {
    this.#journal.length = 0
    for (const peer of this.#touched) {
      const queue = this.#pending.get(peer)
      queue?.compact()
      if (queue?.size === 0) this.#pending.delete(peer)
    }
    this.#touched.clear()
  }

  get identity(): Option.Option<StoredIdentity> {
    return this.#identity
  }

  saveIdentity(identity: StoredIdentity): void {
    const before = this.#identity
    this.#identity = Option.some({ ...identity })
    this.#journal.push(() => {
      this.#identity = before
    })
  }

  get relays(): ReadonlyArray<KnownRelay> {
    return this.#relays
  }

  saveRelays(relays: ReadonlyArray<KnownRelay>): void {
    const before = this.#relays
    this.#relays = relays.map((relay) => ({ ...relay }))
    this.#journal.push(() => {
      this.#relays = before
    })
  }

  putIssuedUrl(issued: IssuedUrl): void {
    this.#setIssued(issued.id, { ...issued })
  }

  findIssuedUrl(id: string): Option.Option<IssuedUrl> {
    return Option.fromNullable(this.#issued.get(id))
  }

  get issuedUrls(): number {
    return this.#issued.size
  }

  removeIssuedUrls(which: (issued: IssuedUrl) => boolean): void {
    for (const issued of [...this.#issued.values()].filter(which)) this.#setIssued(issued.id, undefined)
  }

  #setIssued(id: string, issued: IssuedUrl | undefined): void {
    const before = this.#issued.get(id)
    const set = (to: IssuedUrl | undefined) => (to === undefined ? this.#issued.delete(id) : this.#issued.set(id, to))
    set(issued)
    this.#journal.push(() => set(before))
  }

  get remotes(): ReadonlyArray<RemoteRecord> {
    return [...this.#remotes.values()].sort((a, b) => (a.peerId < b.peerId ? -1 : 1))
  }

  findRemote(peer: PeerId): Option.Option<RemoteRecord> {
    return Option.fromNullable(this.#remotes.get(peer))
  }

  putRemote(record: RemoteRecord): void {
    this.#setRemote(record.peerId, { ...record, hints: [...record.hints] })
  }

  removeRemote(peer: PeerId, introduction: string): void {
    this.#setRemote(peer, undefined)
    this.removePending(peer, Infinity)
    this.redemptions.clear(peer)
    const place = Introduction.placeOf(peer)
    const before = this.#introductions.get(place)
    this.#introductions.set(place, introduction)
    this.#journal.push(() =>
      before === undefined ? this.#introductions.delete(place) : this.#introductions.set(place, before)
    )
  }

  findIntroduction(peer: PeerId): Option.Option<string> {
    return Option.fromNullable(this.#introductions.get(Introduction.placeOf(peer)))
  }

  #setRemote(peer: PeerId, record: RemoteRecord | undefined): void {
    const before = this.#remotes.get(peer)
    const set = (to: RemoteRecord | undefined) =>
      to === undefined ? this.#remotes.delete(peer) : this.#remotes.set(peer, to)
    set(record)
    this.#journal.push(() => set(before))
  }

  /** Appends, or returns the `seq` that does not rise and appends nothing. */
  appendPending(peer: PeerId, messages: ReadonlyArray<PendingMessage>): number | undefined {
    const queue = this.#pending.get(peer) ?? new PendingQueue()
    const undo = queue.append(messages)
    if (typeof undo === "number") return undo
    this.#pending.set(peer, queue)
    this.#touched.add(peer)
    this.#journal.push(undo)
    return undefined
  }

  readPending(peer: PeerId, fromSeq: number, maxMessages: number, maxBytes: number): ReadonlyArray<PendingMessage> {
    return this.#pending.get(peer)?.read(fromSeq, maxMessages, maxBytes) ?? []
  }

  countPending(peer: PeerId): { readonly messages: number; readonly bytes: number } {
    const queue = this.#pending.get(peer)
    return { messages: queue?.size ?? 0, bytes: queue?.bytes ?? 0 }
  }

  removePending(peer: PeerId, throughSeq: number): void {
    const queue = this.#pending.get(peer)
    if (queue === undefined) return
    this.#touched.add(peer)
    this.#journal.push(queue.remove(throughSeq))
  }

  get letters(): ReadonlyArray<DeadLetter> {
    return this.#letters
  }

  addDeadLetters(letters: ReadonlyArray<Omit<DeadLetter, "id">>): void {
    const added = letters.map((letter) => ({ ...letter, body: letter.body.slice(), id: this.#nextLetter++ }))
    this.#setLetters(this.#trimmed([...this.#letters, ...added]))
  }

  /** Without the oldest letters of those peers that have the most. */
  #trimmed(letters: ReadonlyArray<DeadLetter>): ReadonlyArray<DeadLetter> {
    if (letters.length <= this.#maxDeadLetters) return letters
    const excess = new Map<PeerId, number>()
    for (const { peerId } of letters) excess.set(peerId, (excess.get(peerId) ?? 0) + 1)
    for (const [peer, share] of fairShares(excess, this.#maxDeadLetters)) {
      excess.set(peer, (excess.get(peer) ?? 0) - share)
    }
    return letters.filter(({ peerId }) => {
      const left = excess.get(peerId) ?? 0
      excess.set(peerId, left - 1)
      return left <= 0
    })
  }

  removeDeadLetter(id: number): void {
    this.#setLetters(this.#letters.filter((letter) => letter.id !== id))
  }

  removeDeadLettersBefore(at: number): number {
    const kept = this.#letters.filter((letter) => letter.at >= at)
    const removed = this.#letters.length - kept.length
    if (removed > 0) this.#setLetters(kept)
    return removed
  }

  /** The counter needs no undoing: letters that never were leave a hole in the numbers, which only have to rise. */
  #setLetters(letters: ReadonlyArray<DeadLetter>): void {
    const before = this.#letters
    this.#letters = letters
    this.#journal.push(() => {
      this.#letters = before
    })
  }

  #bury(peer: PeerId, messages: ReadonlyArray<PendingMessage>, why: Why): void {
    const buried = messages.slice(-this.#maxDeadLetters)
    this.addDeadLetters(
      buried.map(({ body, seq }) => ({ ...why, peerId: peer, direction: "outbound" as const, seq, body }))
    )
  }

  listDeadlines(peer: PeerId, afterSeq: number): ReadonlyArray<PendingDeadline> {
    return this.#pending.get(peer)?.deadlines(afterSeq) ?? []
  }

  expirePending(
    peer: PeerId,
    { afterSeq, ...why }: Omit<Why, "reason"> & { readonly afterSeq: number }
  ): ReadonlyArray<{ readonly seq: number; readonly bytes: number }> {
    return this.#endPending(peer, afterSeq, { ...why, reason: "Expired" }, (it) => (it.expiresAt ?? Infinity) <= why.at)
  }

  endTooLarge(
    peer: PeerId,
    { afterSeq, maxBytes, ...why }: Omit<Why, "reason"> & { readonly afterSeq: number; readonly maxBytes: number }
  ): ReadonlyArray<{ readonly seq: number; readonly bytes: number }> {
    return this.#endPending(peer, afterSeq, { ...why, reason: "TooLarge" }, ({ body }) => body.length > maxBytes)
  }

  #endPending(peer: PeerId, afterSeq: number, why: Why, ends: (message: PendingMessage) => boolean) {
    const queue = this.#pending.get(peer)
    if (queue === undefined) return []
    const { ended, undo } = queue.end(afterSeq, ends)
    this.#touched.add(peer)
    this.#journal.push(undo)
    this.#bury(peer, ended, why)
    return ended.map(({ body, seq }) => ({ seq, bytes: body.length }))
  }

  buryPending(peer: PeerId, why: Why): number {
    const queue = this.#pending.get(peer)
    if (queue === undefined) return 0
    const count = queue.size
    this.#bury(peer, queue.whole, why)
    this.removePending(peer, Infinity)
    return count
  }
}

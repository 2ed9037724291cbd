import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { DeliveryExpiredError, DeliveryRejectedError, OutcomeUnknownError } from "../../errors/RemoteError.ts"
import type * as Credit from "../../protocol/Credit.ts"
import type { EarlyMessages } from "../../protocol/EarlyMessages.ts"
import * as Expiry from "../../protocol/Expiry.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Refusal } from "../../protocol/ReceiveWindow.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { WireMessage } from "../../protocol/WireMessage.ts"
import type { DeadLetter, RemoteRecord } from "../../services/RemoteStore.ts"
import * as Outbox from "./Outbox.ts"
import * as Reserve from "./Reserve.ts"

/**
 * What a waiter for an acknowledgement can be told instead of it.
 *
 * @internal
 */
export type Unacknowledged = DeliveryRejectedError | DeliveryExpiredError | OutcomeUnknownError | NetworkStoppedError

/**
 * Somebody who waits for what becomes of a message.
 *
 * @internal
 */
export type Waiter = Deferred.Deferred<void, Unacknowledged>

/**
 * That one of the staged bodies has a deadline. Its waiter is there from the start, so that the outcome is told however late it is asked for.
 *
 * @internal
 */
export interface StagedDeadline {
  /** The place of the body in `Staged.bodies`. */
  readonly index: number
  readonly expiresAt: number
  readonly waiter: Waiter
}

/**
 * Who waits for what becomes of messages, in one uninterrupted conversation. It outlives the conversation in the hands of
 * those who hold its receipts.
 *
 * @internal
 */
export interface Conversation {
  readonly waiters: Map<number, Waiter>
  /** Refusals, by the number of what was refused; the newest of them only. */
  readonly refused: Map<number, DeliveryRejectedError>
  /** The highest number that was refused; a peer refuses in order, and each message once. */
  refusedThrough: number
  settled: number
  ended: OutcomeUnknownError | NetworkStoppedError | undefined
}

/**
 * What the open transaction has done to a handle so far; nothing of it is seen outside before the commit.
 *
 * @internal
 */
export interface Staged {
  /** Bodies of new messages; the first gets the window's next number. */
  bodies: Array<Uint8Array>
  /** How long all of `bodies` are. */
  bytes: number
  /** How many of `bodies` are in the store already. */
  written: number
  deadlines: Array<StagedDeadline>
  letters: Array<Omit<DeadLetter, "id">>
  refusals: Array<Refusal>
  received: number | undefined
  incarnationId: string | undefined
  hints: ReadonlyArray<string> | undefined
  /** What the transaction adds to `Core.echoes`, or takes off it. */
  echoes: number
  /** Set when the conversation ends in this transaction. */
  ending: Ending | undefined
  /** Runs after the commit. */
  after: Array<() => void>
}

/**
 * The end of a conversation, and the beginning of the next.
 *
 * @internal
 */
export interface Ending {
  readonly why: OutcomeUnknownError
  /** The epoch that begins, with all numbers from the start; undefined when the present one goes on. */
  readonly epoch: number | undefined
  /** How many of the staged bodies belong to the conversation that ends. */
  readonly buried: number
  readonly conversation: Conversation
}

/**
 * A message in its place in the sequence.
 *
 * @internal
 */
export type Sequenced = Extract<WireMessage, { _tag: "Sequenced" }>

/**
 * The channel that messages go through now.
 *
 * @internal
 */
export interface OpenChannel {
  readonly number: number
  /** Whether the peer speaks our extensions. */
  readonly extended: boolean
  /** Whether everything is on record that must be before anything is transmitted. */
  writable: boolean
  /** The lowest number that the peer still sends; it gave up what it had not sent below. */
  readonly base: number
  /** The highest number that was acknowledged to the peer on this channel. */
  acknowledged: number
  /** Whether an ACK is to go out with the next write, or alone. */
  ackDue: boolean
  /** How many ACK deadlines in a row have passed without progress. */
  rounds: number
  /** What came on this channel ahead of something that is missing; only from a peer of the base profile. */
  early: EarlyMessages<Sequenced>
  /** What may be said to the peer; undefined where no room is granted: what may be on its way unacknowledged is limited instead. */
  purse: Credit.Purse | undefined
  /** What the peer may say; undefined where no room is granted. */
  grants: Credit.Grants | undefined
}

/**
 * The state of a handle. It is changed only in synchronous steps, by the handle's own fibers and by commits.
 *
 * @internal
 */
export interface Core {
  readonly peerId: PeerId
  /** Whether the store has a record of the peer. */
  known: boolean
  /** Whether the remote was removed, so that nothing may be committed for it any more. */
  gone: boolean
  /** Whether the remote is there again after it was removed by this process, so that nothing was transmitted before its first contact. */
  renewed: boolean
  /** Whether the kernel has been given the handle, so that it must not go away. */
  adopted: boolean
  hints: ReadonlyArray<string>
  incarnationId: string | undefined
  /** The peer's process that opened or answered the last channel. */
  peerProcess: string | undefined
  epoch: number
  window: SendWindow.SendWindow
  received: number
  /** This side's refusals that the peer may not have seen yet, in order. */
  refusals: Array<Refusal>
  conversation: Conversation
  outbox: Outbox.Outbox
  channel: OpenChannel | undefined
  /** The channel that this side hung up, until the link tells of its end: before that the link must not be forgotten. */
  hungUp: number | undefined
  staged: Staged
  /** Messages up to this number are no longer in the store. */
  removed: number
  pendingBytes: number
  /** Messages and bytes of `deliver` calls that wait for their commit. */
  reservedMessages: number
  reservedBytes: number
  /** What the kernel's own traffic takes up beyond the limits for everything. */
  readonly reserve: Reserve.Reserve
  /** The sizes of the messages that were transmitted on this channel and are not settled; the first is number `sizesFrom`. */
  readonly sizes: Array<number>
  sizesFrom: number
  bytesInFlight: number
  /** Whether `pendingBytes` has to be counted anew, because messages were settled whose size is not known here. */
  miscounted: boolean
  /** Of messages that were never transmitted. */
  deadlines: Expiry.Expiry
  /** Nothing from this number on may be transmitted for now, because some of it is ending. */
  heldFrom: number
  /** The numbers that are pending although their messages expired, as far as this process ended them. */
  readonly expired: Set<number>
  /** How often messages were ended; what was read from the store before is not what is there now. */
  expiries: number
  /** The numbers under which nothing was written on this channel although it came to them, in order. */
  skipped: Array<number>
  /** The largest frame that the peer takes, as it said last. */
  largestFrame: number
  resent: number
  lostByPeer: number
  /** Whether the kernel holds the line: it was busy, or the store was, when the last message was offered to it. */
  held: boolean
  /** How many `bringOutYourDead` to the peer only answer one of the peer's. */
  echoes: number
}

/**
 * @internal
 */
export const nothingStaged = (): Staged => ({
  bodies: [],
  bytes: 0,
  written: 0,
  deadlines: [],
  letters: [],
  refusals: [],
  received: undefined,
  incarnationId: undefined,
  hints: undefined,
  echoes: 0,
  ending: undefined,
  after: []
})

/**
 * @internal
 */
export const makeConversation = (settled: number): Conversation => ({
  waiters: new Map(),
  refused: new Map(),
  refusedThrough: 0,
  settled,
  ended: undefined
})

/**
 * @internal
 */
export const firstRecord = (peerId: PeerId): RemoteRecord => ({
  peerId,
  hints: [],
  incarnationId: undefined,
  epoch: 0,
  nextSeq: 1,
  sentSeq: 0,
  acknowledgedSeq: 0,
  baseSeq: 1,
  receivedSeq: 0
})

/**
 * @internal
 */
export const make = (
  record: RemoteRecord,
  known: boolean,
  pendingBytes: number,
  deadlines: ReadonlyArray<Expiry.Deadline> = []
): Core => ({
  peerId: record.peerId,
  known,
  gone: false,
  renewed: false,
  adopted: known,
  hints: record.hints,
  incarnationId: record.incarnationId,
  peerProcess: undefined,
  epoch: record.epoch,
  window: SendWindow.make(record),
  received: record.receivedSeq,
  refusals: [],
  conversation: makeConversation(record.acknowledgedSeq),
  outbox: Outbox.make(record.nextSeq),
  channel: undefined,
  hungUp: undefined,
  staged: nothingStaged(),
  removed: record.acknowledgedSeq,
  pendingBytes,
  reservedMessages: 0,
  reservedBytes: 0,
  reserve: Reserve.make(),
  sizes: [],
  sizesFrom: record.nextSeq,
  bytesInFlight: 0,
  miscounted: false,
  deadlines: Expiry.add(Expiry.empty, deadlines, { next: record.nextSeq, sent: record.sentSeq }),
  heldFrom: Infinity,
  expired: new Set(),
  expiries: 0,
  skipped: [],
  largestFrame: Infinity,
  resent: 0,
  held: false,
  echoes: 0,
  lostByPeer: 0
})

/**
 * Whether anything of this handle is worth keeping when its peer is gone.
 *
 * @internal
 */
export const isForgettable = (core: Core): boolean =>
  !core.known &&
  !core.adopted &&
  core.hungUp === undefined &&
  SendWindow.pending(core.window) === 0 &&
  core.reservedMessages === 0

/**
 * Nothing is on its way: there is another channel, or none.
 *
 * @internal
 */
export const forgetFlight = (core: Core): void => {
  core.sizes.length = 0
  core.skipped.length = 0
  core.sizesFrom = core.window.cursor
  core.bytesInFlight = 0
}

/**
 * Transmission goes on from the window's cursor: what was on its way from there on is so no longer.
 *
 * @internal
 */
export const rewindFlight = (core: Core): void => {
  const kept = Math.max(0, core.window.cursor - core.sizesFrom)
  for (const size of core.sizes.splice(kept)) core.bytesInFlight -= size
  core.skipped = core.skipped.filter((seq) => seq < core.window.cursor)
}

/**
 * Notes that messages of these sizes were transmitted, the first of them number `from`.
 *
 * @internal
 */
export const noteTransmitted = (core: Core, from: number, sizes: ReadonlyArray<number>): void => {
  if (core.sizes.length === 0) core.sizesFrom = from
  for (const size of sizes) {
    core.sizes.push(size)
    core.bytesInFlight += size
  }
}

/**
 * What the peer is not known to have. What it has leaves room at once, though it may take until its refusals were read that it
 * is settled.
 *
 * @internal
 */
export const unacknowledged = (core: Core): { readonly messages: number; readonly bytes: number } => {
  const { acknowledged, settled } = core.window
  const from = Math.max(0, settled + 1 - core.sizesFrom)
  const through = Math.max(0, acknowledged + 1 - core.sizesFrom)
  let bytes = core.pendingBytes
  for (let index = from; index < through; index += 1) bytes -= core.sizes[index] ?? 0
  const expired = core.expired.size - Math.floor(core.expired.size / expiredInRoomOfOne)
  return { messages: Math.max(0, SendWindow.unacknowledged(core.window) - expired), bytes }
}

/**
 * How many messages wait for the peer: of those that expired only the numbers do.
 *
 * @internal
 */
export const waitingMessages = (core: Core): number => SendWindow.pending(core.window) - core.expired.size

/** How many expired numbers take up the room of one message, so that they, too, are limited while a peer is away. */
const expiredInRoomOfOne = 16

/**
 * How much of the room for messages is taken up.
 *
 * @internal
 */
export const roomTaken = (core: Core): number =>
  waitingMessages(core) + Math.floor(core.expired.size / expiredInRoomOfOne)

/** A peer that was written nothing under a number acknowledges it only with what comes behind it; if that is all, nobody does. */
const passSkipped = (core: Core): void => {
  const { skipped } = core
  for (let [first] = skipped; first !== undefined; [first] = skipped) {
    if (first > SendWindow.lowestUnacknowledged(core.window)) return
    core.window = Either.getOrElse(SendWindow.acknowledge(core.window, first), () => core.window)
    skipped.shift()
  }
}

/**
 * Settles what can be settled, up to `through` and given what has `arrived` from the peer, tells those who wait for it, and counts it off.
 *
 * @internal
 */
export const settle = (core: Core, arrived: number = core.received, through?: number): boolean => {
  const before = core.window.settled
  passSkipped(core)
  core.window = SendWindow.settle(core.window, arrived, through)
  if (core.window.settled === before) return false
  if (before + 1 < core.sizesFrom) core.miscounted = true
  const sizes = core.sizes.splice(0, Math.max(0, core.window.settled - core.sizesFrom + 1))
  core.sizesFrom += sizes.length
  for (const size of sizes) {
    core.pendingBytes -= size
    core.bytesInFlight -= size
  }
  Outbox.release(core.outbox, core.window.settled)
  // The peer has seen these refusals, so nothing waits for them any more.
  if (core.refusals.length > 0) core.refusals = core.refusals.filter(({ reply }) => reply > core.window.settled)
  Reserve.settle(core.reserve, core.window.settled)
  for (let seq = before + 1; core.expired.size > 0 && seq <= core.window.settled; seq += 1) core.expired.delete(seq)
  const { conversation } = core
  conversation.settled = core.window.settled
  for (let seq = before + 1; conversation.waiters.size > 0 && seq <= core.window.settled; seq += 1) {
    const waiter = conversation.waiters.get(seq)
    if (waiter === undefined) continue
    conversation.waiters.delete(seq)
    const refusal = conversation.refused.get(seq)
    Deferred.unsafeDone(waiter, refusal === undefined ? Effect.void : Effect.fail(refusal))
  }
  return true
}

/**
 * Ends a conversation: whoever still waits is told why.
 *
 * @internal
 */
export const endConversation = (conversation: Conversation, why: OutcomeUnknownError | NetworkStoppedError): void => {
  conversation.ended = why
  for (const waiter of conversation.waiters.values()) Deferred.unsafeDone(waiter, Effect.fail(why))
  conversation.waiters.clear()
}

/**
 * Begins a new conversation in the place of the present one: in a new epoch with all numbers from the start, or, given up by
 * this side, in the same one with the numbers going on.
 *
 * @internal
 */
export const beginConversation = (core: Core, { buried, conversation, epoch, why }: Ending): void => {
  const ended = core.conversation
  if (epoch === undefined) {
    core.window = SendWindow.abandon(SendWindow.append(core.window, buried))
  } else {
    core.epoch = epoch
    core.window = SendWindow.make(firstRecord(core.peerId))
    core.received = 0
    core.removed = 0
    core.refusals = []
    core.channel = undefined
  }
  core.outbox = Outbox.make(core.window.next)
  core.pendingBytes = 0
  core.miscounted = false
  core.deadlines = Expiry.empty
  core.expired.clear()
  Reserve.settle(core.reserve, Infinity)
  forgetFlight(core)
  core.conversation = conversation
  endConversation(ended, why)
}

/** How many refusals are remembered for those who ask for a message's fate later than it was known. */
const maxRefused = 1024

/**
 * Remembers that the peer refused a message.
 *
 * @internal
 */
export const noteRefusal = (conversation: Conversation, error: DeliveryRejectedError): void => {
  conversation.refused.set(error.seq, error)
  conversation.refusedThrough = Math.max(conversation.refusedThrough, error.seq)
  const [oldest] = conversation.refused.keys()
  if (conversation.refused.size > maxRefused && oldest !== undefined) conversation.refused.delete(oldest)
}

/**
 * Waits for what becomes of a message of this conversation.
 *
 * @internal
 */
export const acknowledged = (conversation: Conversation, seq: number): Effect.Effect<void, Unacknowledged> =>
  Effect.suspend(() => {
    const refusal = conversation.refused.get(seq)
    if (refusal !== undefined) return Effect.fail(refusal)
    if (seq <= conversation.settled) return Effect.void
    if (conversation.ended !== undefined) return Effect.fail(conversation.ended)
    const waiting = conversation.waiters.get(seq)
    if (waiting !== undefined) return Deferred.await(waiting)
    return Effect.flatMap(Deferred.make<void, Unacknowledged>(), (waiter) => {
      conversation.waiters.set(seq, waiter)
      return Deferred.await(waiter)
    })
  })

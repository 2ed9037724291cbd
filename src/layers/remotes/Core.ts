import type { OutcomeUnknownError } from "../../errors/RemoteError.ts"
import type * as Credit from "../../protocol/Credit.ts"
import type { EarlyMessages } from "../../protocol/EarlyMessages.ts"
import * as Expiry from "../../protocol/Expiry.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Sender } from "../../protocol/Senders.ts"
import type { Refusal } from "../../protocol/ReceiveWindow.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { WireMessage } from "../../protocol/WireMessage.ts"
import type { DeadLetter, RemoteRecord } from "../../services/RemoteStore.ts"
import type { Conversation, Waiter } from "./Conversation.ts"
import { makeConversation } from "./Conversation.ts"
import * as Outbox from "./Outbox.ts"
import * as Reserve from "./Reserve.ts"

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
 * A number that was taken, and which process of the peer's first transmitted it.
 *
 * @internal
 */
export interface Received {
  readonly seq: number
  readonly from: string | undefined
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
  received: Received | undefined
  /** Who transmitted what, as it is written with this transaction. */
  senders: ReadonlyArray<Sender> | undefined
  incarnationId: string | undefined
  hints: ReadonlyArray<string> | undefined
  /** What the transaction adds to `Core.echoes`, or takes off it. */
  echoes: number
  /** Whether the transaction is known to take the handle along, so that what joins it next need not ask. */
  joined: boolean
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
  /** Which process of the peer's first transmitted the messages that come on this channel. */
  readonly senderOf: (seq: number) => string | undefined
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
  /** Names this process. */
  readonly process: string
  /** Whether the store has a record of the peer. */
  known: boolean
  /** Whether the remote was removed, so that nothing may be committed for it any more. */
  gone: boolean
  /** Whether the kernel has been given the handle, so that it must not go away. */
  adopted: boolean
  hints: ReadonlyArray<string>
  incarnationId: string | undefined
  /** The incarnation that the peer has heard of this kernel; undefined where it is the identity's, or before any handshake. */
  ownIncarnationId: string | undefined
  /** When the record was last written, or the last channel was lost since. */
  activeAt: number | undefined
  /** The peer's process that opened or answered the last channel. */
  peerProcess: string | undefined
  epoch: number
  window: SendWindow.SendWindow
  /** Which process first transmitted this side's numbers. */
  senders: ReadonlyArray<Sender>
  received: number
  /** Which process of the peer's first transmitted the message `received`. */
  receivedFrom: string | undefined
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
  senders: undefined,
  incarnationId: undefined,
  hints: undefined,
  echoes: 0,
  joined: false,
  ending: undefined,
  after: []
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
  receivedSeq: 0,
  senders: [],
  receivedFrom: undefined,
  ownIncarnationId: undefined,
  activeAt: undefined
})

/**
 * @internal
 */
export const make = (
  process: string,
  record: RemoteRecord,
  known: boolean,
  pendingBytes: number,
  deadlines: ReadonlyArray<Expiry.Deadline> = []
): Core => ({
  peerId: record.peerId,
  process,
  known,
  gone: false,
  adopted: known,
  hints: record.hints,
  incarnationId: record.incarnationId,
  ownIncarnationId: record.ownIncarnationId,
  activeAt: record.activeAt,
  peerProcess: undefined,
  epoch: record.epoch,
  window: SendWindow.make(record),
  senders: record.senders,
  received: record.receivedSeq,
  receivedFrom: record.receivedFrom,
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

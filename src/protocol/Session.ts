/**
 * Where two kernels stand with each other, and what a handshake between them means.
 *
 * Each side states what it has on record. Both then compute, from the same two statements and with the same function, whether
 * the conversation goes on or a new one begins, so that they never disagree. The members are described in `docs/protocol.md`.
 *
 * @since 0.1.0
 */
import type { RemoteRecord } from "../services/RemoteStore.ts"
import type { Sender } from "./Senders.ts"
import * as Senders from "./Senders.ts"

/**
 * What one side says about itself and about the conversation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Statement {
  /** The speaker's incarnation. */
  readonly incarnationId: string
  /** The incarnation of the other side that the speaker has on record; undefined if none. */
  readonly peerIncarnationId: string | undefined
  /** The speaker's session number for this pair of incarnations. */
  readonly epoch: number
  /** The highest number that the speaker has received and committed. */
  readonly received: number
  /** The highest number that the speaker may have transmitted. */
  readonly sent: number
  /** The highest number of its own that the speaker knows to be received. */
  readonly acknowledged: number
  /** The lowest number that the speaker will still send. */
  readonly base: number
  /** The number that the speaker's next message gets. */
  readonly next: number
  /** Who first transmitted the speaker's numbers from `acknowledged` to `sent`, in their order. */
  readonly senders: ReadonlyArray<Sender>
  /** Which process of the listener's first transmitted the message `received`; undefined where that is not known. */
  readonly receivedFrom: string | undefined
}

/**
 * What a handshake means for the side that computes it.
 *
 * - `Same`: the conversation goes on.
 * - `First`: the peer was never met, as far as is on record; the conversation starts.
 * - `Restarted`: the peer lost its memory; a conversation with its new life starts.
 * - `RolledBack`: one of the stores went back in time; a new session starts.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict =
  | { readonly _tag: "Same"; readonly epoch: number }
  | { readonly _tag: "First"; readonly epoch: number }
  | { readonly _tag: "Restarted"; readonly epoch: number }
  | { readonly _tag: "RolledBack"; readonly epoch: number }

const fresh = {
  epoch: 0,
  received: 0,
  sent: 0,
  acknowledged: 0,
  base: 1,
  next: 1,
  senders: [],
  receivedFrom: undefined
} as const

/**
 * What is stated about a peer of which nothing is on record.
 *
 * @since 0.1.0
 * @category constructors
 */
export const firstStatement = (incarnationId: string): Statement => ({
  incarnationId,
  peerIncarnationId: undefined,
  ...fresh
})

/**
 * What is stated about a peer that is on record.
 *
 * @since 0.1.0
 * @category constructors
 */
export const statementOf = (incarnationId: string, record: RemoteRecord): Statement => ({
  incarnationId,
  peerIncarnationId: record.incarnationId,
  epoch: record.epoch,
  received: record.receivedSeq,
  sent: record.sentSeq,
  acknowledged: record.acknowledgedSeq,
  base: record.baseSeq,
  next: record.nextSeq,
  senders: record.senders,
  receivedFrom: record.receivedFrom
})

/**
 * Who first transmitted a number that comes on a channel whose other end is that process, which stated `said` when it opened: what
 * it had not sent by then is its own.
 *
 * @since 0.1.0
 * @category getters
 */
export const senderOnChannel = (
  said: Statement | undefined,
  process: string | undefined,
  seq: number
): string | undefined => (said === undefined || seq > said.sent ? process : Senders.find(said.senders, seq))

/** A statement about another life of the listener says nothing about this one: the speaker will begin anew. */
const heard = (speaker: Statement, listener: Statement): Statement =>
  speaker.peerIncarnationId === listener.incarnationId ? speaker : { ...speaker, ...fresh }

/** What `receiver` has of `sender` is what `sender` remembers to have said. */
const isHeard = (sender: Statement, receiver: Statement): boolean => {
  if (receiver.received < sender.acknowledged || receiver.received > sender.sent) return false
  const process = Senders.find(sender.senders, receiver.received)
  return process === undefined || receiver.receivedFrom === undefined || process === receiver.receivedFrom
}

/** Neither side remembers anything of its session that the other contradicts. */
const agree = (mine: Statement, theirs: Statement): boolean => isHeard(mine, theirs) && isHeard(theirs, mine)

/** Whether a side that is in a higher session than the other was never answered in it. */
const unanswered = (ahead: Statement): boolean => ahead.acknowledged === 0 && ahead.received === 0

const commonEpoch = (mine: Statement, theirs: Statement): number => {
  if (mine.epoch === theirs.epoch) return agree(mine, theirs) ? mine.epoch : mine.epoch + 1
  const ahead = mine.epoch > theirs.epoch ? mine : theirs
  return unanswered(ahead) ? ahead.epoch : ahead.epoch + 1
}

/**
 * Computes what a handshake means for `mine`. Swapping the arguments gives the other side's verdict, with the same epoch.
 *
 * @since 0.1.0
 * @category combinators
 */
export const settle = (mine: Statement, theirs: Statement): Verdict => {
  const epoch = commonEpoch(heard(mine, theirs), heard(theirs, mine))
  if (mine.peerIncarnationId === undefined) {
    // Who has messages for somebody whom it never met, and who met it, has forgotten that: some may have been received.
    return { _tag: epoch === 0 || mine.next === 1 ? "First" : "RolledBack", epoch }
  }
  if (mine.peerIncarnationId !== theirs.incarnationId) return { _tag: "Restarted", epoch }
  return { _tag: epoch === mine.epoch ? "Same" : "RolledBack", epoch }
}

/**
 * Whether a verdict ends a conversation that was on record.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEnding = (verdict: Verdict): boolean => verdict._tag === "Restarted" || verdict._tag === "RolledBack"

/**
 * What of the other side's statement still holds after the verdict: its numbers, if they are of the session that goes on. Of
 * one that has met nobody yet, these are the ones that it has given out and given up: it keeps them.
 *
 * @since 0.1.0
 * @category combinators
 */
export const carriedOver = (verdict: Verdict, theirs: Statement, listenerIncarnationId: string): Statement => {
  const { base, epoch, next, peerIncarnationId } = theirs
  if (epoch === verdict.epoch && peerIncarnationId === listenerIncarnationId) return theirs
  const goesOn = epoch === verdict.epoch && peerIncarnationId === undefined
  return goesOn ? { ...theirs, ...fresh, base, next } : { ...theirs, ...fresh }
}

/**
 * How many messages of the other side's the listener must pass as abandoned: those below `base` that it never received.
 *
 * @since 0.1.0
 * @category combinators
 */
export const abandoned = (received: number, theirs: Statement): number => Math.max(0, theirs.base - 1 - received)

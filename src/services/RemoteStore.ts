/**
 * The durable state of a kernel's remotes, behind a small transactional interface.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { StoreError } from "../errors/StoreError.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { Sender } from "../protocol/Senders.ts"

/**
 * What opens the sealed secrets of a stored identity: the key itself, or one made from a passphrase.
 *
 * @since 0.1.0
 * @category models
 */
export type StoredSeal =
  | { readonly _tag: "Key" }
  /** By PBKDF2-HMAC-SHA256; the salt is in hexadecimal. */
  | { readonly _tag: "Passphrase"; readonly salt: string; readonly rounds: number }

/**
 * Who this kernel is, as stored.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredIdentity {
  /** 32 bytes in hexadecimal; if sealed, the AES-256-GCM nonce, ciphertext and tag of them. */
  readonly keySeed: Redacted.Redacted<string>
  readonly peerId: PeerId
  /** The same for the key of OCAP URLs, which is bound to the life of this store. */
  readonly ocapUrlKey: Redacted.Redacted<string>
  /** Names one life of this store (a UUID). */
  readonly incarnationId: string
  /** How `keySeed` and `ocapUrlKey` are sealed; left out if they are in clear. */
  readonly seal?: StoredSeal | undefined
}

/**
 * What is on record about a peer and the conversation with it. Sequence numbers start at 1 in each direction of a session.
 *
 * @since 0.1.0
 * @category models
 */
export interface RemoteRecord {
  readonly peerId: PeerId
  /** Addresses at which the peer may be reached. */
  readonly hints: ReadonlyArray<string>
  /** The peer's incarnation, once a handshake told it. */
  readonly incarnationId: string | undefined
  /** Which uninterrupted history of this pair of incarnations this is; rises when a store went back in time. */
  readonly epoch: number
  /** The number that the next message to the peer gets. */
  readonly nextSeq: number
  /** The highest number that may have been transmitted. */
  readonly sentSeq: number
  /** The highest number that the peer has acknowledged. */
  readonly acknowledgedSeq: number
  /** The lowest number that is still to be sent, or `nextSeq` if none is; lower ones were acknowledged or abandoned. */
  readonly baseSeq: number
  /** The highest number received from the peer, whose effects are committed. */
  readonly receivedSeq: number
  /** Which process of this kernel first transmitted the numbers from `acknowledgedSeq` to `sentSeq`. */
  readonly senders: ReadonlyArray<Sender>
  /** Which process of the peer's first transmitted the message `receivedSeq`; undefined where that is not known. */
  readonly receivedFrom: string | undefined
  /** The incarnation that this kernel states to the peer; undefined where it is the identity's. Of no meaning before a handshake. */
  readonly ownIncarnationId: string | undefined
  /** When the record was last written (ms since the Unix epoch), which each conversation does; undefined where that was not kept. */
  readonly activeAt: number | undefined
}

/**
 * A message that waits for the peer's acknowledgement. `body` is its wire form from `"method"` on (see `protocol/WireMessage`); it
 * is empty where the message expired and only its number is left.
 *
 * @since 0.1.0
 * @category models
 */
export interface PendingMessage {
  readonly seq: number
  readonly body: Uint8Array
  /** When the message ends if it has not been transmitted by then (ms since the Unix epoch); it is not read back. */
  readonly expiresAt?: number | undefined
}

/**
 * What a commit changes about the messages that are pending for a peer.
 *
 * @since 0.1.0
 * @category models
 */
export interface PendingChange {
  /** To be appended, as by `RemoteStore.appendPending`; none if it is left out. */
  readonly append?: ReadonlyArray<PendingMessage> | undefined
  /** Up to which number they are removed, as by `RemoteStore.removePending`; none are if it is left out. */
  readonly removeThrough?: number | undefined
}

/**
 * Until when a pending message may be transmitted for the first time (ms since the Unix epoch).
 *
 * @since 0.1.0
 * @category models
 */
export interface PendingDeadline {
  readonly seq: number
  readonly expiresAt: number
}

/**
 * Why a message ended without being delivered, or without this side knowing whether it was. A letter with the reason
 * `LostByPeer` stands for messages of a peer of the base profile that never came, as many as `detail` says from `seq` on.
 *
 * @since 0.1.0
 * @category models
 */
export type DeadLetterReason =
  | "GivenUp"
  | "Expired"
  | "TooLarge"
  | "PeerRestarted"
  | "SessionReset"
  | "RejectedByPeer"
  | "RejectedHere"
  | "HandlerFailed"
  | "Malformed"
  | "LostByPeer"

/**
 * A message that ended other than well, kept for people to look at.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeadLetter {
  /** Rises with every letter of this store. */
  readonly id: number
  readonly peerId: PeerId
  readonly direction: "outbound" | "inbound"
  readonly epoch: number
  readonly seq: number
  readonly body: Uint8Array
  readonly reason: DeadLetterReason
  readonly detail: string
  /** When it ended, in milliseconds since the Unix epoch. */
  readonly at: number
}

/**
 * A redemption that this kernel asked a peer for.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredRedemption {
  readonly peerId: PeerId
  /** Names the request in the peer's answer. */
  readonly replyKey: string
  /** The SHA-256 of the URL in hexadecimal; whoever has the URL itself has what it names. */
  readonly urlDigest: string
  /** Until when the answer is of interest, in milliseconds since the Unix epoch. */
  readonly expiresAt: number
  /** What the peer answered; undefined while it has not. */
  readonly answer: { readonly ok: boolean; readonly value: string } | undefined
}

/**
 * A relay that this kernel knows.
 *
 * @since 0.1.0
 * @category models
 */
export interface KnownRelay {
  readonly address: string
  /** In milliseconds since the Unix epoch; 0 if never. */
  readonly lastSeen: number
  readonly bootstrap: boolean
}

/**
 * That an OCAP URL was issued. Neither the URL nor what it names can be told from it.
 *
 * @since 0.1.0
 * @category models
 */
export interface IssuedUrl {
  /** 16 random bytes in hexadecimal; the URL holds them sealed. */
  readonly id: string
  /** In milliseconds since the Unix epoch; undefined if it does not expire. */
  readonly expiresAt: number | undefined
  readonly revoked: boolean
}

/**
 * Somebody whose in-memory state goes with a transaction. It enlists once per transaction with `RemoteStore.enlist`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Participant {
  /** Writes what was staged. Runs inside the transaction, right before its commit; if it fails, so does the commit. */
  readonly prepare: Effect.Effect<void, StoreError>
  /** The transaction is durable; its connection is given back after this, so that no statement can be run in here. Must not throw. */
  readonly committed: () => void
  /** The transaction is undone, and with it what was staged. Must not throw. */
  readonly rolledBack: () => void
  /** A nested transaction begins; what this returns undoes what is staged from here on, should the nested one fail. */
  readonly savepoint: () => () => void
}

/**
 * The durable state of a kernel's remotes.
 *
 * `transaction` is the kernel's *turn*: everything in it (this service's methods, messages handed to handles, and with
 * the SQL store the kernel's own statements on the same `SqlClient`) commits together or not at all. Transactions run one
 * at a time, in the order in which they asked. One inside another is a savepoint: when it fails, only what happened in it is
 * undone. It fails with `StoreUnavailableError` when the commit fails, and then everything is undone. The commit itself
 * cannot be interrupted. A fiber forked in a transaction must not outlive it.
 *
 * The other methods may be called inside a transaction, and join it, or outside, where each is its own.
 *
 * @since 0.1.0
 * @category tags
 */
export class RemoteStore extends Context.Tag("effect-remotes/RemoteStore")<
  RemoteStore,
  {
    /** `participant` is enlisted from the start, if one is given. */
    readonly transaction: <A, E, R>(
      turn: Effect.Effect<A, E, R>,
      participant?: Participant
    ) => Effect.Effect<A, E | StoreError, R>
    /** Whether the calling fiber is in a transaction. */
    readonly inTransaction: Effect.Effect<boolean>
    /**
     * Joins the calling fiber's transaction; `participant` is compared by identity and joins only once. Dies outside of a
     * transaction, and inside of a SQL transaction or savepoint that was not begun with this service's `transaction`,
     * because that could be undone behind the participant's back.
     */
    readonly enlist: (participant: Participant) => Effect.Effect<void>

    readonly loadIdentity: Effect.Effect<Option.Option<StoredIdentity>, StoreError>
    readonly saveIdentity: (identity: StoredIdentity) => Effect.Effect<void, StoreError>

    readonly loadRelays: Effect.Effect<ReadonlyArray<KnownRelay>, StoreError>
    /** Replaces all known relays. */
    readonly saveRelays: (relays: ReadonlyArray<KnownRelay>) => Effect.Effect<void, StoreError>

    /** Inserts or replaces the record with its id. */
    readonly putIssuedUrl: (issued: IssuedUrl) => Effect.Effect<void, StoreError>
    readonly findIssuedUrl: (id: string) => Effect.Effect<Option.Option<IssuedUrl>, StoreError>
    readonly countIssuedUrls: Effect.Effect<number, StoreError>
    /** Removes the records of URLs that have expired at that time. */
    readonly removeExpiredUrls: (now: number) => Effect.Effect<void, StoreError>
    readonly removeRevokedUrls: Effect.Effect<void, StoreError>

    readonly listRemotes: Effect.Effect<ReadonlyArray<RemoteRecord>, StoreError>
    readonly findRemote: (peer: PeerId) => Effect.Effect<Option.Option<RemoteRecord>, StoreError>
    /** Inserts or replaces the record of its peer, together with what changes `along` with it. */
    readonly putRemote: (record: RemoteRecord, along?: PendingChange) => Effect.Effect<void, StoreError>
    /**
     * Removes the record, and everything pending for the peer or asked of it; dead letters stay. From then on `introduction` is what
     * `loadIntroduction` gives for the peer.
     */
    readonly removeRemote: (peer: PeerId, introduction: string) => Effect.Effect<void, StoreError>
    /**
     * The incarnation that is stated to the peer while nothing is on record of it; none if it was never removed. Peers may share a
     * place, so that it was given with the removal of another one: the stores of this library have 1,024.
     */
    readonly loadIntroduction: (peer: PeerId) => Effect.Effect<Option.Option<string>, StoreError>

    /** Appends messages, in rising order of `seq`. Their bodies are handed over: nobody may change these bytes afterwards. */
    readonly appendPending: (peer: PeerId, messages: ReadonlyArray<PendingMessage>) => Effect.Effect<void, StoreError>
    /**
     * Reads pending messages from `fromSeq` on, in order, until `maxMessages` or `maxBytes` (of bodies) is reached; at least
     * one if there is one. The bodies may be the store's own, and must not be changed. Fails with `StoreCorruptError` where a
     * body is not what was appended.
     */
    readonly readPending: (
      peer: PeerId,
      range: { readonly fromSeq: number; readonly maxMessages: number; readonly maxBytes: number }
    ) => Effect.Effect<ReadonlyArray<PendingMessage>, StoreError>
    /** How many messages are pending, and how many bytes their bodies have. */
    readonly countPending: (
      peer: PeerId
    ) => Effect.Effect<{ readonly messages: number; readonly bytes: number }, StoreError>
    /** The deadlines of the pending messages above `afterSeq`, in order of their numbers. */
    readonly listDeadlines: (
      peer: PeerId,
      afterSeq: number
    ) => Effect.Effect<ReadonlyArray<PendingDeadline>, StoreError>
    /**
     * Ends the pending messages above `afterSeq` whose `expiresAt` is not after `at`: each becomes a dead letter (`Expired`) and
     * leaves an empty body under its number. Gives these numbers, and how many bytes the bodies had.
     */
    readonly expirePending: (
      peer: PeerId,
      which: { readonly afterSeq: number; readonly epoch: number; readonly detail: string; readonly at: number }
    ) => Effect.Effect<ReadonlyArray<{ readonly seq: number; readonly bytes: number }>, StoreError>
    /**
     * Ends the pending messages above `afterSeq` whose bodies have more than `maxBytes`, as `expirePending` does, but with the reason
     * `TooLarge`.
     */
    readonly endTooLarge: (
      peer: PeerId,
      which: {
        readonly afterSeq: number
        readonly maxBytes: number
        readonly epoch: number
        readonly detail: string
        readonly at: number
      }
    ) => Effect.Effect<ReadonlyArray<{ readonly seq: number; readonly bytes: number }>, StoreError>
    /** Removes all pending messages up to and including `throughSeq`. */
    readonly removePending: (peer: PeerId, throughSeq: number) => Effect.Effect<void, StoreError>

    /** Inserts the redemption, or replaces that of the same peer and reply key. */
    readonly putRedemption: (redemption: StoredRedemption) => Effect.Effect<void, StoreError>
    /** The redemptions asked of a peer, the first to expire first. */
    readonly listRedemptions: (peer: PeerId) => Effect.Effect<ReadonlyArray<StoredRedemption>, StoreError>
    readonly removeRedemption: (peer: PeerId, replyKey: string) => Effect.Effect<void, StoreError>
    /** Removes all redemptions asked of a peer. */
    readonly clearRedemptions: (peer: PeerId) => Effect.Effect<void, StoreError>

    /** Keeps letters; beyond the store's cap (default 10,000) the oldest of the peers with the most fall out. */
    readonly addDeadLetters: (letters: ReadonlyArray<Omit<DeadLetter, "id">>) => Effect.Effect<void, StoreError>
    /**
     * Moves everything that is pending for the peer to the dead letters, in one statement where the store can; what has expired is
     * there already. Tells how many numbers those were.
     */
    readonly buryPending: (
      peer: PeerId,
      why: { readonly epoch: number; readonly reason: DeadLetterReason; readonly detail: string; readonly at: number }
    ) => Effect.Effect<number, StoreError>
    /** The letters from `afterId` on, oldest first, at most `limit`. */
    readonly listDeadLetters: (range: {
      readonly afterId: number
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreError>
    readonly findDeadLetter: (id: number) => Effect.Effect<Option.Option<DeadLetter>, StoreError>
    readonly removeDeadLetter: (id: number) => Effect.Effect<void, StoreError>
    /** Removes the letters whose `at` is below the given time, and tells how many those were. */
    readonly removeDeadLettersBefore: (at: number) => Effect.Effect<number, StoreError>
  }
>() {}

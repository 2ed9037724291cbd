/**
 * The room between the network and the messages: keeps one link to each peer, and says at any moment what it is doing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Mailbox from "effect/Mailbox"
import type * as Stream from "effect/Stream"
import type { ChannelError, DialError, NetworkStoppedError, WriteTimeoutError } from "../errors/ConnectionError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import type {
  AckTimeoutError,
  HandshakeError,
  HandshakeTimeoutError,
  IntentionalCloseError,
  ProbeTimeoutError,
  ResourceLimitError,
  StreamInactivityTimeoutError
} from "../errors/TransportError.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { Limits } from "../protocol/Credit.ts"
import type { Statement, Verdict } from "../protocol/Session.ts"

/**
 * Why there is no channel.
 *
 * @since 0.1.0
 * @category errors
 */
export type LinkError =
  | DialError
  | ChannelError
  | HandshakeError
  | HandshakeTimeoutError
  | WriteTimeoutError
  | StreamInactivityTimeoutError
  | AckTimeoutError
  | ProbeTimeoutError
  | IntentionalCloseError
  | ResourceLimitError
  | StoreError

/**
 * What a link is doing.
 *
 * - `Idle`: nobody has asked for a channel, or the last one fell silent with nothing to say, or no address is known
 *   (`error` says which).
 * - `Dialing` / `Handshaking`: attempt number `attempt` (from 1) is under way.
 * - `Open`: frames flow. `roundTrip` is the smoothed round trip to the peer's transport, undefined while it is not known.
 * - `BackingOff`: the attempt failed with `error`; the next begins at `retryAt` (ms since the Unix epoch).
 * - `Closed`: closed on purpose, by this side.
 *
 * @since 0.1.0
 * @category models
 */
export type LinkState =
  | { readonly _tag: "Idle"; readonly error: LinkError | undefined }
  | { readonly _tag: "Dialing"; readonly attempt: number }
  | { readonly _tag: "Handshaking"; readonly attempt: number }
  | {
      readonly _tag: "Open"
      readonly since: number
      readonly address: string
      readonly relayed: boolean
      readonly roundTrip: Duration.Duration | undefined
    }
  | {
      readonly _tag: "BackingOff"
      readonly attempt: number
      readonly retryAt: number
      readonly error: LinkError
      /**
       * The peer has been unreachable in the same way five times in a row, so that it is dialed less often: up to three times
       * as long apart. Something to say, `reconnectPeer`, news of an address, the peer's own contact and a wake end that.
       */
      readonly permanent: boolean
    }
  | { readonly _tag: "Closed" }

/**
 * What a link tells its reader, in one order: a channel's `Opened` comes before its `Frames`, these before its `Lost`, and
 * all of it before the next channel's `Opened`. `channel` numbers the channels of a link from 1.
 *
 * @since 0.1.0
 * @category models
 */
export type LinkEvent =
  | {
      readonly _tag: "Opened"
      readonly channel: number
      /** The peer's incarnation, as the handshake told it. */
      readonly incarnationId: string
      /** The incarnation that this side stated in the handshake. */
      readonly ownIncarnationId: string
      /** Names the peer's process; undefined for a peer that speaks the base profile. */
      readonly process: string | undefined
      /** What the handshake means; computed from statements made on this channel, to be applied before any of its frames. */
      readonly verdict: Verdict
      /** What the peer stated; undefined for a peer that speaks the base profile. */
      readonly stated: Statement | undefined
      /** For what the peer has room on this channel; undefined if it does not say. */
      readonly limits: Limits | undefined
    }
  | { readonly _tag: "Frames"; readonly channel: number; readonly frames: ReadonlyArray<Uint8Array> }
  /** The reader asked for it with `Link.remind`. */
  | { readonly _tag: "Reminded"; readonly channel: number }
  | { readonly _tag: "Lost"; readonly channel: number; readonly error: LinkError }

/**
 * The link to one peer. It has one reader and one writer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Link {
  readonly peerId: PeerId
  /** What the link is doing now. */
  readonly state: Effect.Effect<LinkState>
  /** What it is doing now, and every change from then on. */
  readonly changes: Stream.Stream<LinkState>
  /** Takes everything that has happened since the last call, at least one event. Left untaken, it holds the peer back. */
  readonly take: Effect.Effect<ReadonlyArray<LinkEvent>>
  /**
   * Has the reader called whenever there is something to take, at once if there is already, so that none need wait in a fiber for it. There
   * is one reader: who listened before is called no more.
   */
  readonly listen: (onEvents: () => void) => void
  /** Takes what `take` would take now, without waiting; empty where that would wait. */
  readonly poll: () => ReadonlyArray<LinkEvent>
  /** What has happened since and waits to be taken; changes nothing. */
  readonly peek: () => ReadonlyArray<LinkEvent>
  /** Makes an idle link dial, and one that backs off dial at once. A closed one stays closed. */
  readonly connect: Effect.Effect<void>
  /** Makes an idle link dial; leaves one that backs off to its wait. */
  readonly want: Effect.Effect<void>
  /**
   * Writes whole, length-prefixed frames to that channel. Fails at once if it is not, or no longer, the open one.
   * `WriteTimeoutError` when the peer takes nothing for the write deadline; the channel is lost then.
   * `IntentionalCloseError` when this side has closed the link, also while the write was under way.
   */
  readonly send: (
    channel: number,
    frames: Uint8Array
  ) => Effect.Effect<void, ChannelError | WriteTimeoutError | IntentionalCloseError>
  /** As `send`, but in this very turn, unless another write waits; what it gives is done already where there is nothing to wait for. */
  readonly sendNow: Link["send"]
  /**
   * Says whether the peer owes an answer on that channel. While it does, a peer of ours that is silent is asked whether it is
   * there, at the pace of the measured round trip; its transport answers, however busy its kernel is. When there is no answer, the
   * channel is lost with `ProbeTimeoutError`.
   */
  readonly expect: (channel: number, answer: boolean) => void
  /**
   * Puts `Reminded` behind everything that has arrived, so that the reader knows all of it when it decides that something has
   * been missing for too long.
   */
  readonly remind: (channel: number) => Effect.Effect<void>
  /** Aborts that channel, if it is the open one, as lost with this error; the link goes on to dial. */
  readonly drop: (channel: number, error: LinkError) => Effect.Effect<void>
}

/**
 * What is to be known of one link, for people and dashboards.
 *
 * @since 0.1.0
 * @category models
 */
export interface PeerStatus {
  readonly peerId: PeerId
  readonly state: LinkState
}

/**
 * Keeps one link to each peer.
 *
 * - One attempt at a time for each peer; a lost channel is dialed again after a full-jitter backoff (500 ms doubling to
 *   10 s), for ever. The backoff starts anew when a frame of the peer arrives on a channel, not when one connects.
 * - When both sides dial at once, one channel survives, the same on both sides: the dial of the lower peer id.
 * - Dial, handshake, write and inactivity have deadlines on the Effect Clock, each with its own error.
 * - Closing the layer's scope ends every channel gracefully: peers see a clean end of stream.
 *
 * @since 0.1.0
 * @category tags
 */
export class Transport extends Context.Tag("effect-remotes/Transport")<
  Transport,
  {
    readonly localPeerId: PeerId
    /** Names this process to peers; another one each time that the layer is built. */
    readonly process: string
    readonly listenAddresses: Effect.Effect<ReadonlyArray<string>>
    /**
     * The link to a peer; made on first use. Whoever makes one must read its events, for `contacts` does not tell of it: what the
     * peer says waits in it until somebody does (`Remotes.get`, say).
     */
    readonly link: (peer: PeerId) => Effect.Effect<Link, NetworkStoppedError>
    /** Links that a peer's contact made, each once; whoever reads this must read the link's events. */
    readonly contacts: Mailbox.ReadonlyMailbox<Link>
    /**
     * Ends the link to a peer that is of no interest any more, and frees what it held. The peer may come again. Links that
     * nobody ever read, and that rest for `stalePeerTimeout`, are forgotten by themselves; a running reconnect, a link that is
     * closed on purpose and one that was read never are.
     */
    readonly forget: (peer: PeerId) => Effect.Effect<void>
    /**
     * As `forget`, for who has stopped reading the link, unless the peer is about to open a channel, or has opened one that nobody
     * has heard of: then the link is a contact again.
     */
    readonly release: (peer: PeerId) => Effect.Effect<void>
    /** A snapshot of all links. */
    readonly peers: Effect.Effect<ReadonlyArray<PeerStatus>>
    /** Adds addresses at which the peer may be reached (at most 16 are kept, the newest), and ends a running wait. */
    readonly registerLocationHints: (peer: PeerId, hints: ReadonlyArray<string>) => Effect.Effect<void>
    /**
     * Closes the link on purpose and keeps it closed, in both directions, until `reconnectPeer`: a dial or handshake under way
     * is interrupted, the peer sees the end of the stream within the close deadline (default 1 s), and nothing that it says
     * afterwards is heard. What is pending stays pending.
     */
    readonly closeConnection: (peer: PeerId) => Effect.Effect<void>
    /** Takes back `closeConnection`, and dials now. */
    readonly reconnectPeer: (peer: PeerId, hints?: ReadonlyArray<string>) => Effect.Effect<void, NetworkStoppedError>
    /** Ends all waits and starts all backoffs anew, as happens by itself when this computer woke from sleep. */
    readonly resetAllBackoffs: Effect.Effect<void>
  }
>() {}

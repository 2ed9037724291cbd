/**
 * The lowest room: opens and accepts channels. It owns the network node and knows nothing of messages.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import type { ChannelError, DialError } from "../errors/ConnectionError.ts"
import type { PeerId } from "../protocol/PeerId.ts"

/**
 * How a channel ended: who ended it, and whether with an error.
 *
 * - `local`: this side closed (no error) or aborted it (the error says why).
 * - `remote`: the peer closed it; `clean` tells a FIN from a reset or a vanished connection.
 *
 * @since 0.1.0
 * @category models
 */
export type ChannelEnd =
  | { readonly by: "local"; readonly error: Error | undefined }
  | { readonly by: "remote"; readonly clean: boolean; readonly error: Error | undefined }

/**
 * Where a channel is in its life.
 *
 * @since 0.1.0
 * @category models
 */
export type ChannelStatus = "open" | "closing" | "closed" | "aborted" | "reset"

/**
 * One stream to one peer, as frames. A frame is a payload without its length prefix.
 *
 * A channel has one reader and one writer; both directions apply back-pressure: `send` waits while the peer does not
 * read, and the peer's `send` waits while nobody calls `receive` here.
 *
 * @since 0.1.0
 * @category models
 */
export interface Channel {
  /** The authenticated peer id of the connection, not anything that was said on it. */
  readonly peerId: PeerId
  readonly direction: "inbound" | "outbound"
  /** The remote address, for people. */
  readonly address: string
  /** Whether the connection goes through a relay. */
  readonly relayed: boolean
  /** The protocol id that was settled on (`/effect-remotes/1` or `whatever`). */
  readonly protocol: string
  readonly status: () => ChannelStatus
  /**
   * Hands length-prefixed frames (see `protocol/Frame`), any number in one array, to the stream. Nobody writes to these bytes
   * afterwards; the `ArrayBuffer` under them may hold others besides, and must not be transferred. Waits while the peer holds
   * back; fails at once, with no byte written, when the channel is not open. Interrupting it does not take the bytes back.
   */
  readonly send: (frames: Uint8Array) => Effect.Effect<void, ChannelError>
  /**
   * As `send`, but in this very turn: what it gives is done already, unless the peer holds back, or it failed. It may be left alone, and
   * then nobody waits.
   */
  readonly sendNow: (frames: Uint8Array) => Effect.Effect<void, ChannelError>
  /**
   * Takes all frames that have arrived, at least one. After the last frame it fails with how the stream ended:
   * `StreamClosedError` (a FIN or this side's close), `StreamResetError` (everything else that the peer or the network
   * did), `ProtocolViolationError` (framing broken or a frame over the limit).
   */
  readonly receive: Effect.Effect<ReadonlyArray<Uint8Array>, ChannelError>
  /** Takes what `receive` would take now, without waiting; empty where that would wait, or fail. */
  readonly poll: () => ReadonlyArray<Uint8Array>
  /**
   * In place of a fiber that waits in `receive`: calls back once, when `receive` would not wait any more; at once if it would not
   * now. Who listened before is called no more.
   */
  readonly listen: (onReadable: () => void) => void
  /** Waits for the end of the stream in both directions and says how it came. */
  readonly ended: Effect.Effect<ChannelEnd>
  /**
   * Ends the stream gracefully: what was sent is flushed, then FIN; aborted when that takes longer than the close
   * deadline (default 1 s). Idempotent, never fails, never hangs.
   */
  readonly close: Effect.Effect<void>
  /** Resets the stream; the peer sees a reset, `ended` says `local` with this error. Idempotent. */
  readonly abort: (error: Error) => Effect.Effect<void>
}

/**
 * A channel that a peer opened and nobody has taken yet. It is taken once: either accepted, into a scope that closes it
 * at its end, or refused, which aborts it. Left alone, it is aborted when the factory stops.
 *
 * @since 0.1.0
 * @category models
 */
export interface IncomingChannel {
  readonly peerId: PeerId
  readonly accept: Effect.Effect<Channel, never, Scope.Scope>
  readonly refuse: (error: Error) => Effect.Effect<void>
}

/**
 * Opens and accepts channels.
 *
 * - `dial` opens one channel, which lives as long as the surrounding scope (closed gracefully at its end). Addresses
 *   that end in `/p2p/<peer>` are the peer's own and tried first, others are relays. It can be interrupted at any moment
 *   within milliseconds and then leaves nothing open. Concurrent dials to one peer share a connection, not a channel.
 * - `incoming` has the channels that peers open, at most 256 untaken; further ones are refused.
 * - `disconnected` names peers whose last connection has gone and with whom there was a channel on one, at most 256; a safety
 *   net, so that the oldest may fall out.
 *
 * @since 0.1.0
 * @category tags
 */
export class ConnectionFactory extends Context.Tag("effect-remotes/ConnectionFactory")<
  ConnectionFactory,
  {
    readonly localPeerId: PeerId
    /**
     * The addresses at which others reach this kernel now, each ending in `/p2p/<own peer id>`: the direct ones, then those
     * through relays that have agreed to it.
     */
    readonly listenAddresses: Effect.Effect<ReadonlyArray<string>>
    readonly dial: (peer: PeerId, hints: ReadonlyArray<string>) => Effect.Effect<Channel, DialError, Scope.Scope>
    readonly incoming: Mailbox.ReadonlyMailbox<IncomingChannel>
    readonly disconnected: Mailbox.ReadonlyMailbox<PeerId>
    /** Whether it waits for relays by itself, so that somebody should look whether the computer slept. */
    readonly keepsRelays: boolean
    /** Tries relays that are out of reach again at once, and those that seem in reach as well, as after a wake from sleep. */
    readonly resetBackoffs: Effect.Effect<void>
  }
>() {}

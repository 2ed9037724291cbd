import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Clockwork } from "../../internal/timers.ts"
import type { Hello } from "../../protocol/Handshake.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Channel, ConnectionFactory } from "../../services/ConnectionFactory.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Link } from "../../services/Transport.ts"
import type { Doorkeeper } from "./doorkeeper.ts"
import type { Greeted, Speaker } from "./greeting.ts"

/**
 * A channel on which the handshake is done or under way, and the scope that it lives in.
 *
 * @internal
 */
export interface Candidate {
  readonly channel: Channel
  readonly scope: Scope.CloseableScope
}

/**
 * A channel that a peer opened and said hello on, with the scope that closes it.
 *
 * @internal
 */
export interface Incoming extends Candidate {
  readonly hello: Hello
  readonly rest: ReadonlyArray<Uint8Array>
}

/**
 * A channel whose handshake is done.
 *
 * @internal
 */
export interface Ready extends Candidate {
  readonly greeted: Greeted
}

/**
 * What the transport knows of a link beyond what its reader does.
 *
 * @internal
 */
export interface LinkActor {
  readonly link: Link
  readonly hail: (incoming: Incoming) => Effect.Effect<void>
  /** Adds addresses; whether any of them is new. */
  readonly addHints: (hints: ReadonlyArray<string>) => boolean
  readonly close: Effect.Effect<void>
  readonly reopen: Effect.Effect<void>
  /** Ends a wait, if the link is in one. */
  readonly urge: Effect.Effect<void>
  /** As `urge`, and forgets what is known about failures. */
  readonly wake: Effect.Effect<void>
  /** Whether the link rests since so many milliseconds at least, and is nobody's: it was never read. */
  readonly isStale: (millis: number) => boolean
  /**
   * Gives the link back to nobody, if the peer is about to open a channel, or has opened one that nobody has heard of; whether it
   * is so.
   */
  readonly handBack: Effect.Effect<boolean>
  /** Looks whether the channel is still there; for when the network says that the connection is gone. */
  readonly check: Effect.Effect<void>
}

/**
 * Whose link it is, and what it stands on.
 *
 * @internal
 */
export interface LinkOptions {
  readonly peerId: PeerId
  readonly config: Options
  readonly factory: ConnectionFactory["Type"]
  readonly speaker: Speaker
  readonly doorkeeper: Doorkeeper
  readonly clockwork: Clockwork
  /** Runs when the first channel comes into service before anybody has read the link. */
  readonly onContact: (link: Link) => Effect.Effect<void>
  /** Runs when the link comes to rest and nobody has read it yet. */
  readonly onIdle: Effect.Effect<void>
}

/**
 * Ends a channel gracefully, within its deadline.
 *
 * @internal
 */
export const close = (candidate: Candidate): Effect.Effect<void> => Scope.close(candidate.scope, Exit.void)

/**
 * Ends a channel that never came into service; nothing on it is worth a graceful end.
 *
 * @internal
 */
export const discard = (candidate: Candidate, reason: string): Effect.Effect<void> =>
  Effect.zipRight(candidate.channel.abort(new Error(reason)), close(candidate))

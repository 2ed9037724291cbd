import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Roster } from "../../internal/onCall.ts"
import type { Clockwork } from "../../internal/timers.ts"
import type { Hello } from "../../protocol/Handshake.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Channel, ConnectionFactory } from "../../services/ConnectionFactory.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Link } from "../../services/Transport.ts"
import type { ChannelLimits } from "./channelLimits.ts"
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
 * What all links of a transport stand on.
 *
 * @internal
 */
export interface LinkGround {
  readonly config: Options
  readonly factory: ConnectionFactory["Type"]
  readonly speaker: Speaker
  readonly doorkeeper: Doorkeeper
  readonly clockwork: Clockwork
  readonly roster: Roster
  readonly limits: ChannelLimits
  /** What their channels live in. */
  readonly scope: Scope.Scope
  /** Runs when the first channel of a link comes into service before anybody has read the link. */
  readonly onContact: (link: Link) => Effect.Effect<void>
  /** Runs when the link to this peer comes to rest and nobody has read it yet. */
  readonly onIdle: (peerId: PeerId) => Effect.Effect<void>
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

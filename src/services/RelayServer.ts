/**
 * A relay: passes on what kernels that cannot reach one another have to say.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * A relay that runs as long as its layer lives. It sees who talks to whom and how much, never what: the two ends encrypt.
 *
 * @since 0.1.0
 * @category tags
 */
export class RelayServer extends Context.Tag("effect-remotes/RelayServer")<
  RelayServer,
  {
    readonly peerId: string
    /** The addresses to name in the option `relays` of kernels, each ending in `/p2p/<peer id of the relay>`. */
    readonly addresses: Effect.Effect<ReadonlyArray<string>>
    /** The peer ids of the kernels that can be reached through this relay. */
    readonly reservations: Effect.Effect<ReadonlyArray<string>>
  }
>() {}

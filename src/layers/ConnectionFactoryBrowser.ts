/**
 * `ConnectionFactory` on libp2p for browsers: WebSockets, also through relays; it listens nowhere itself.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ConnectionFactory } from "../services/ConnectionFactory.ts"
import type { RemoteIdentity } from "../services/RemoteIdentity.ts"
import * as Factory from "./libp2p/factory.ts"
import * as LayerOptions from "./libp2p/options.ts"
import * as WebSockets from "./libp2p/webSockets.ts"

/**
 * Every option and its default: those of `ConnectionFactoryLibp2p` but for `listen` and `busyPolling`, as a browser can do neither.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = LayerOptions.Options.omit("listen", "busyPolling")

/**
 * A libp2p transport for the option `transports`, such as `quic()`.
 *
 * @since 0.1.0
 * @category models
 */
export type TransportFactory = LayerOptions.TransportFactory

/**
 * What can be wrong at the start.
 *
 * @since 0.1.0
 * @category errors
 */
export type StartError = LayerOptions.StartError

/**
 * Starts a node that dials, and is dialed through its relays; it stops with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: typeof Options.Encoded
): Effect.Effect<ConnectionFactory["Type"], StartError, RemoteIdentity | Scope.Scope> =>
  Factory.make(options, { transports: [WebSockets.make] })

/**
 * A kernel's place in the network: dials with the key of its `RemoteIdentity`, and is dialed through its relays.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<ConnectionFactory, StartError, RemoteIdentity> => Layer.scoped(ConnectionFactory, make(options))

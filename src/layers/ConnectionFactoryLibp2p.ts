/**
 * `ConnectionFactory` on libp2p: TCP and WebSockets, also through relays, noise, yamux.
 *
 * @since 0.1.0
 */
import { tcp } from "@libp2p/tcp"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ConnectionFactory } from "../services/ConnectionFactory.ts"
import type { RemoteIdentity } from "../services/RemoteIdentity.ts"
import * as Factory from "./libp2p/factory.ts"
import * as LayerOptions from "./libp2p/options.ts"
import * as WebSockets from "./libp2p/webSockets.ts"

/**
 * Every option and its default.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = LayerOptions.Options

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
 * Starts a node that listens and dials; it stops with the scope, gracefully within the stop deadline, and leaves nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: typeof Options.Encoded
): Effect.Effect<ConnectionFactory["Type"], StartError, RemoteIdentity | Scope.Scope> =>
  Factory.make(options, [tcp(), WebSockets.make])

/**
 * A kernel's place in the network: dials and accepts with the key of its `RemoteIdentity`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<ConnectionFactory, StartError, RemoteIdentity> => Layer.scoped(ConnectionFactory, make(options))

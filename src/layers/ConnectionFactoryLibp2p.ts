/**
 * `ConnectionFactory` on libp2p: TCP and WebSockets, also through relays, noise, yamux.
 *
 * @since 0.1.0
 */
import { tcp } from "@libp2p/tcp"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { InvalidOptionsError } from "../errors/ConfigError.ts"
import * as OptionTexts from "../internal/optionTexts.ts"
import { ConnectionFactory } from "../services/ConnectionFactory.ts"
import type { RemoteIdentity } from "../services/RemoteIdentity.ts"
import { ciphers } from "./libp2p/ciphers.ts"
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
 * @since 0.1.0
 * @category models
 */
export type Options = typeof Options.Type

const texts = OptionTexts.make(Options)

/**
 * The options that the environment, or another `ConfigProvider`, sets: `REMOTES_DIAL_TIMEOUT="5 seconds"` for `dialTimeout`,
 * `REMOTES_LISTEN` with commas between the addresses for `listen`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromConfig: Effect.Effect<
  Partial<Options>,
  InvalidOptionsError | ConfigError.ConfigError
> = texts.fromConfig

/**
 * The options that a query string sets, as for `RemotesConfig`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromQueryString: (search: string | undefined) => Either.Either<Partial<Options>, InvalidOptionsError> =
  texts.fromQueryString

/**
 * The query string from which `fromQueryString` reads the same options.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toQueryString: (options: typeof Options.Encoded) => Either.Either<string, InvalidOptionsError> =
  texts.toQueryString

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
  Factory.make(options, { transports: [tcp(), WebSockets.make], ciphers })

/**
 * A kernel's place in the network: dials and accepts with the key of its `RemoteIdentity`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<ConnectionFactory, StartError, RemoteIdentity> => Layer.scoped(ConnectionFactory, make(options))

/**
 * The same as `layer`, with the options that the environment sets (see `fromConfig`), or those that `config` reads.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config?: Config.Config.Wrap<typeof Options.Encoded>
): Layer.Layer<ConnectionFactory, StartError | ConfigError.ConfigError, RemoteIdentity> =>
  Layer.unwrapEffect(Effect.map(config === undefined ? fromConfig : Config.unwrap(config), layer))

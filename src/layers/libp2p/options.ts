/**
 * What a kernel's place in the network can be told.
 *
 * @since 0.1.0
 */
import type { Transport } from "@libp2p/interface"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { InvalidAddressError } from "../../errors/AddressError.ts"
import type { InvalidOptionsError } from "../../errors/ConfigError.ts"
import type { ListenError } from "../../errors/ConnectionError.ts"
import * as Declare from "../../internal/options.ts"

const isTransport = (it: unknown): it is TransportFactory => typeof it === "function"

/**
 * Makes a libp2p transport, as `tcp()` of `@libp2p/tcp` and its like do, of whatever parts of the node it asks for.
 *
 * @since 0.1.0
 * @category models
 */
export type TransportFactory = (components: never) => Transport

/**
 * Every option and its default.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = Schema.Struct({
  listen: Declare.texts("multiaddrs to listen on, such as `/ip4/127.0.0.1/tcp/0` or `/ip4/127.0.0.1/tcp/0/ws`"),
  transports: Declare.structured(
    Schema.Array(
      Schema.Struct({
        transport: Schema.declare(isTransport),
        listen: Schema.optional(Schema.Array(Schema.String))
      })
    ),
    "must be a list of { transport, listen? } with libp2p transports such as quic()",
    { value: [], text: "none" },
    "libp2p transports beside those that are built in, such as `quic()` of `@chainsafe/libp2p-quic`, and where to listen with them"
  ),
  relays: Declare.texts(
    "multiaddrs of relays at which this kernel keeps a place, and through which it looks for those of whom it knows no better address; what is no multiaddr is skipped"
  ),
  dialTimeout: Declare.duration("10 seconds", "how long one address may take for a connection and a stream on it"),
  dialStagger: Declare.duration(
    "250 millis",
    "how long a dial waits for one address before it tries the next one beside it"
  ),
  closeTimeout: Declare.duration("1 second", "how long a graceful close of a channel may take"),
  stopTimeout: Declare.inheritedDuration("that of `RemotesConfig`", "how long closing everything may take"),
  maxFrameSize: Declare.inheritedCount(
    "`maxMessageSize` of `RemotesConfig`",
    "the largest frame, in bytes, that is taken"
  ),
  allowedWsHosts: Declare.texts(
    "hosts to which plain `ws` is dialed although they are not private; those of `relays` are among them anyway"
  ),
  busyPolling: Declare.flag(
    true,
    "whether the event loop waits for an answer without sleeping, for 1 ms at most, where the last ones came as soon; round trips within a machine or a room are shorter, and take more processor time"
  ),
  protocols: Declare.someTexts(
    ["/effect-remotes/1", "whatever"],
    "the protocol ids that are offered and accepted, the preferred one first"
  )
})

/**
 * What may be given, all of it optional.
 *
 * @since 0.1.0
 * @category models
 */
export type Given = typeof Options.Encoded

/**
 * What is in force.
 *
 * @since 0.1.0
 * @category models
 */
export type Read = typeof Options.Type

/**
 * What can be wrong at the start.
 *
 * @since 0.1.0
 * @category errors
 */
export type StartError = InvalidOptionsError | InvalidAddressError | ListenError

/**
 * Completes options with their defaults. Fails with `InvalidOptionsError`, which has a line for each wrong option.
 *
 * @internal
 */
export const read: (options: Given) => Effect.Effect<Read, InvalidOptionsError> = Declare.decoder(Options)

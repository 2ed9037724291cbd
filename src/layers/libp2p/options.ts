/**
 * What a kernel's place in the network can be told.
 *
 * @since 0.1.0
 */
import type { Transport } from "@libp2p/interface"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ArrayFormatter } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { InvalidAddressError } from "../../errors/AddressError.ts"
import { InvalidOptionsError } from "../../errors/ConfigError.ts"
import type { ListenError } from "../../errors/ConnectionError.ts"

const duration = Schema.DurationFromSelf.pipe(
  Schema.filter((it) => Duration.isFinite(it) && Duration.toMillis(it) >= 1, {
    message: () => "a finite duration of at least 1 ms"
  })
)
const isTransport = (it: unknown): it is TransportFactory => typeof it === "function"
const orElse = <A>(schema: Schema.Schema<A>, fallback: () => A) => Schema.optionalWith(schema, { default: fallback })

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
  /** Multiaddrs to listen on, such as `/ip4/127.0.0.1/tcp/0` or `/ip4/127.0.0.1/tcp/0/ws`. */
  listen: orElse(Schema.Array(Schema.String), () => []),
  /**
   * Libp2p transports beside those that are built in, such as `quic()` of `@chainsafe/libp2p-quic`, and where to listen with them.
   */
  transports: orElse(
    Schema.Array(
      Schema.Struct({
        transport: Schema.declare(isTransport).annotations({ message: () => "a libp2p transport, such as quic()" }),
        listen: Schema.optional(Schema.Array(Schema.String))
      })
    ),
    () => []
  ),
  /**
   * Multiaddrs of relays through which others reach this kernel, and through which it looks for those of whom it knows no better
   * address. A place is kept at each of them, for ever; starting does not wait for it. What is no multiaddr is skipped.
   */
  relays: orElse(Schema.Array(Schema.String), () => []),
  /** How long one address may take for a connection and a stream on it. */
  dialTimeout: orElse(duration, () => Duration.seconds(10)),
  /** How long a dial waits for one address before it tries the next one beside it. */
  dialStagger: orElse(duration, () => Duration.millis(250)),
  /** How long a graceful close of a channel may take. */
  closeTimeout: orElse(duration, () => Duration.seconds(1)),
  /** How long closing everything may take; by default what `RemotesConfig` says. */
  stopTimeout: Schema.optional(duration),
  /** The largest frame, in bytes, that is taken; by default `RemotesConfig.maxMessageSize`. */
  maxFrameSize: Schema.optional(
    Schema.Number.pipe(
      Schema.filter((it) => Number.isSafeInteger(it) && it >= 1, { message: () => "a whole number from 1 on" })
    )
  ),
  /** Hosts to which plain `ws` is dialed although they are not private; those of `relays` are among them anyway. */
  allowedWsHosts: orElse(Schema.Array(Schema.NonEmptyString), () => []),
  /** The protocol ids that are offered and accepted, the preferred one first. */
  protocols: Schema.optionalWith(Schema.NonEmptyArray(Schema.NonEmptyString), {
    default: () => Arr.make("/effect-remotes/1", "whatever")
  })
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

const decode = Schema.decodeUnknown(Options, { errors: "all", onExcessProperty: "error" })

/**
 * Completes options with their defaults. Fails with `InvalidOptionsError`, which names each wrong option.
 *
 * @internal
 */
export const read = (options: Given): Effect.Effect<Read, InvalidOptionsError> =>
  Effect.mapError(decode(options), (error) => {
    const problems = ArrayFormatter.formatErrorSync(error).map(({ message, path }) => ({
      option: path.join("."),
      message
    }))
    // The second about an option only says that it might have been left out.
    const first = Arr.dedupeWith(problems, (a, b) => a.option === b.option)
    return new InvalidOptionsError({ problems: first.map(({ message, option }) => `${option}: ${message}`) })
  })

/**
 * The options of the library, each with a default that serves.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ArrayFormatter } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { InvalidOptionsError } from "../errors/ConfigError.ts"

/** An option that may be left out; what it allows is said in the words of its message. */
const option = <A, I>(schema: Schema.Schema<A, I>, allowed: string, fallback: A) =>
  Schema.optionalWith(schema.annotations({ message: () => ({ message: allowed, override: true }) }), {
    default: () => fallback,
    exact: true
  })

const isDurationInput = (value: unknown): value is Duration.DurationInput =>
  Option.exists(Duration.decodeUnknown(value), (it) => Duration.isFinite(it) && Duration.toMillis(it) >= 1)

/** Anything that Effect takes as a duration. */
const DurationInput = Schema.transform(Schema.declare(isDurationInput), Schema.DurationFromSelf, {
  strict: true,
  decode: (input) => Duration.decode(input),
  encode: (duration) => duration
})

const duration = (fallback: Duration.DurationInput) =>
  option(DurationInput, "must be a finite duration of at least 1 ms", Duration.decode(fallback))

const count = (fallback: number, least = 1) =>
  option(
    Schema.Number.pipe(Schema.filter((it) => Number.isSafeInteger(it) && it >= least)),
    `must be a whole number from ${least} on`,
    fallback
  )

/** How often something may happen; `Infinity` is no limit. */
const rate = (fallback: number) =>
  option(
    Schema.Number.pipe(Schema.filter((it) => it === Infinity || (Number.isSafeInteger(it) && it >= 1))),
    "must be a whole number from 1 on, or Infinity",
    fallback
  )

/**
 * Every option, its unit and its default. Durations are `Duration`s, sizes are bytes.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = Schema.Struct({
  /** How long a peer may take for its part of the handshake. */
  handshakeTimeout: duration("10 seconds"),
  /** How long a peer may leave a write untaken before its channel counts as lost. */
  writeTimeout: duration("10 seconds"),
  /**
   * How long a peer of the base profile may go without an acknowledgement before everything is sent again; one of ours is
   * asked whether it is there, at the pace of the round trip and after half of this at the latest.
   */
  ackTimeout: duration("10 seconds"),
  /** How long a receipt may go unacknowledged when nothing else is sent. */
  ackDelay: duration("50 millis"),
  /** How long a stream may be silent in both directions; never below 5 s. */
  streamInactivityTimeout: duration("120 seconds"),
  /** The first wait before a redial, before jitter; it doubles with each failure. */
  reconnectBaseDelay: duration("500 millis"),
  /** The longest wait before a redial, before jitter. */
  reconnectMaxDelay: duration("10 seconds"),
  /** How often to look for links that are of no use any more. */
  cleanupInterval: duration("15 minutes"),
  /** How long a link that nobody reads rests before it is forgotten. */
  stalePeerTimeout: duration("1 hour"),
  /** How long closing everything may take. */
  stopTimeout: duration("2 seconds"),
  /** The largest frame, in bytes, that is sent or taken; both sides of the conversation should have the same. */
  maxMessageSize: count(1_048_576, 4096),
  /** How many messages may be pending for a peer before `deliver` waits. */
  maxPendingMessages: count(10_000),
  /** How many bytes may be pending for a peer before `deliver` waits. */
  maxPendingBytes: count(67_108_864, 4096),
  /** How many resends the deadline of a redemption has room for: it is (this + 1) times `ackTimeout`. */
  redemptionRetries: count(3, 0),
  /** How many peers may have a record in the store. */
  maxRemotes: count(10_000),
  /** How many peers may have a channel, or a dial or handshake under way, at once. */
  maxConcurrentConnections: count(100),
  /** How often a peer is dialed in a minute; further dials wait. */
  maxConnectionAttemptsPerMinute: count(10),
  /**
   * How many messages are written to a peer in a second; further ones wait in the store. No limit by default: what is on
   * its way is bounded by the acknowledgements and the peer holds us back as it likes, so that a number here could only
   * make a healthy link slower.
   */
  maxMessagesPerSecond: rate(Infinity),
  /** How many messages of a peer are read in a second; beyond, its stream is left unread for a while. */
  maxInboundMessagesPerSecond: rate(100_000),
  /** How many bytes of a peer are read in a second; beyond, its stream is left unread for a while. */
  maxInboundBytesPerSecond: rate(134_217_728),
  /** How many handshakes a peer may begin in a minute; further streams of it are refused unread. */
  maxHandshakesPerMinute: count(60),
  /** How often a peer may come back without its memory in a minute; further handshakes fail. */
  maxIncarnationChangesPerMinute: count(10),
  /** How many streams of a peer may be open at once; further ones are refused unread. */
  maxStreamsPerPeer: count(8, 2)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Options = typeof Options.Type

const decode = Schema.decodeUnknown(Options, { errors: "all", onExcessProperty: "error" })

/**
 * Completes options with their defaults. Fails with `InvalidOptionsError`, which names each wrong option.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: typeof Options.Encoded): Effect.Effect<Options, InvalidOptionsError> =>
  Effect.mapError(
    decode(options),
    (error) =>
      new InvalidOptionsError({
        problems: ArrayFormatter.formatErrorSync(error).map(({ message, path }) => `${path.join(".")}: ${message}`)
      })
  )

/**
 * The options in force; the defaults where no layer says otherwise.
 *
 * @since 0.1.0
 * @category references
 */
export class RemotesConfig extends Context.Reference<RemotesConfig>()("effect-remotes/RemotesConfig", {
  defaultValue: (): Options => Schema.decodeSync(Options)({})
}) {}

/**
 * Puts options in force.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: typeof Options.Encoded): Layer.Layer<never, InvalidOptionsError> =>
  Layer.effect(RemotesConfig, make(options))

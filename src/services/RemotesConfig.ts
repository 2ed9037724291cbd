/**
 * The options of the library, each with a default that serves.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { InvalidOptionsError } from "../errors/ConfigError.ts"
import * as Declare from "../internal/options.ts"
import * as OptionTexts from "../internal/optionTexts.ts"

const GiveUp = Schema.Union(
  Schema.Literal("never"),
  Schema.Struct({ afterAttempts: Schema.Number.pipe(Schema.filter((it) => Number.isSafeInteger(it) && it >= 1)) }),
  Schema.Struct({ after: Declare.DurationInput })
)

/**
 * Every option, its default and what it is: one line here, and `npm run docs`, make a new one. Durations are `Duration`s, sizes are bytes.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = Schema.Struct({
  handshakeTimeout: Declare.duration("10 seconds", "how long a peer may take for its part of the handshake"),
  writeTimeout: Declare.duration(
    "10 seconds",
    "how long a peer may leave a write untaken before its channel counts as lost"
  ),
  ackTimeout: Declare.duration(
    "10 seconds",
    "how long a peer of the base profile may go without an acknowledgement before everything is sent again; a peer of ours is asked whether it is there at the pace of the round trip instead, after half of this at the latest, and a busy one keeps its channel"
  ),
  ackDelay: Declare.duration(
    "50 millis",
    "how long a receipt from a peer of the base profile may go unacknowledged when nothing else is sent"
  ),
  gapTimeout: Declare.duration(
    "15 seconds",
    "how long a message of a peer of the base profile may be missing before it is on record as lost and passed"
  ),
  streamInactivityTimeout: Declare.duration(
    "120 seconds",
    "how long a stream may be silent in both directions; less than 5 s counts as 5 s"
  ),
  reconnectBaseDelay: Declare.duration(
    "500 millis",
    "the first wait before a redial, before jitter; it doubles with each failure"
  ),
  reconnectMaxDelay: Declare.duration(
    "10 seconds",
    "the longest wait before a redial, before jitter; three times that after five equal failures of those that a wait seldom cures (`ECONNREFUSED`, `EHOSTUNREACH`, `ENETUNREACH`, `ENOTFOUND`)"
  ),
  cleanupInterval: Declare.duration("15 minutes", "how often to look for links that are of no use any more"),
  stalePeerTimeout: Declare.duration(
    "1 hour",
    "how long a link that nobody reads rests before it is forgotten; never one that dials or is closed on purpose"
  ),
  stopTimeout: Declare.duration("2 seconds", "how long closing everything may take"),
  maxMessageSize: Declare.bytes(
    1_048_576,
    "the largest frame that is sent or taken; both sides of the conversation should have the same",
    4096
  ),
  maxPendingMessages: Declare.count(10_000, "how many messages may be pending for a peer before `deliver` waits"),
  maxPendingBytes: Declare.bytes(67_108_864, "how many bytes may be pending for a peer before `deliver` waits", 4096),
  reservedMessages: Declare.count(
    1_000,
    "how many messages of the kernel's own (all but calls) may be pending for a peer beyond those before their `deliver` waits",
    0
  ),
  reservedBytes: Declare.bytes(
    8_388_608,
    "how many bytes of such messages may be pending for a peer beyond those before their `deliver` waits",
    0
  ),
  overflow: Declare.choice(
    ["wait", "fail"],
    "wait",
    "whether `deliver` waits for room, or fails with `ResourceLimitError`"
  ),
  redemptionRetries: Declare.count(3, "a redemption has (this + 1) × `ackTimeout`", 0),
  giveUp: Declare.structured(
    GiveUp,
    'must be "never", { afterAttempts } from 1 on, or { after } of at least 1 ms',
    { value: "never", text: '`"never"`' },
    'when to give a peer up by itself while something is pending for it: `{ afterAttempts: 5 }` failed connection attempts in a row, or `{ after: "1 hour" }` without contact; a handshake is contact. `RemotesConfig.giveUpLikeOcapKernel` is 40 s'
  ),
  maxRemotes: Declare.count(10_000, "how many peers may have a record in the store"),
  expireEmptyRemotesAfter: Declare.inheritedDuration(
    "never",
    "after how long without a channel and with nothing said, heard or pending a peer is removed by itself, as by `Remotes.remove`; `KernelPort.isInUse` may keep it. Choose it longer than peers are away: what one keeps for this kernel ends with its outcome unknown when it comes again"
  ),
  deadLetterMaxAge: Declare.duration(
    "30 days",
    "how long dead letters are kept, where `DeadLettersStored.layer` runs; looked at when it starts and daily"
  ),
  maxConcurrentConnections: Declare.count(
    100,
    "how many peers may have a channel, or a dial or handshake under way, at once; a quarter of the places is kept for peers on record; replacing a peer's own channel needs no place; beyond it dials wait and streams of others are refused unread"
  ),
  maxConnectionAttemptsPerMinute: Declare.count(
    10,
    "how often a peer is dialed: so many at once, then evenly at this rate; a dial beyond it waits"
  ),
  maxMessagesPerSecond: Declare.limit(
    Infinity,
    "how many messages are written to a peer; ACKs, probes and handshakes are exempt. No limit, because what is on its way is bounded anyway and the peer holds us back as it likes: a number here only slows a healthy link"
  ),
  maxInboundMessagesPerSecond: Declare.limit(
    100_000,
    "how many messages of a peer are read; beyond it the stream is left unread for a while, and nothing is dropped"
  ),
  maxInboundBytesPerSecond: Declare.limit(
    134_217_728,
    "how many bytes of a peer are read; beyond it the stream is left unread for a while, and nothing is dropped"
  ),
  maxHandshakesPerMinute: Declare.count(
    60,
    "how many handshakes a peer may begin; further streams of it are refused unread"
  ),
  maxIncarnationChangesPerMinute: Declare.count(
    10,
    "how often a peer may come back without its memory; further handshakes fail"
  ),
  maxStreamsPerPeer: Declare.count(
    8,
    "how many streams of a peer may be open at once; further ones are refused unread",
    2
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Options = typeof Options.Type

const decode = Declare.decoder(Options)
const texts = OptionTexts.make(Options)

/**
 * Completes options with their defaults. Fails with `InvalidOptionsError`, which has a line for each wrong option.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: typeof Options.Encoded): Effect.Effect<Options, InvalidOptionsError> => decode(options)

/**
 * The options that the environment, or another `ConfigProvider`, sets: `REMOTES_ACK_TIMEOUT="10 seconds"` for `ackTimeout`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromConfig: Effect.Effect<
  Partial<Options>,
  InvalidOptionsError | ConfigError.ConfigError
> = texts.fromConfig

/**
 * The options that a query string sets, with or without its `?`: durations in whole milliseconds (`ackTimeoutMs=10000`), numbers
 * in digits, lists as JSON. Other parameters are ignored, and there are no options without a query string.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromQueryString: (search: string | undefined) => Either.Either<Partial<Options>, InvalidOptionsError> =
  texts.fromQueryString

/**
 * The query string, without `?`, from which `fromQueryString` reads the same options. Empty lists are left out.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toQueryString: (options: typeof Options.Encoded) => Either.Either<string, InvalidOptionsError> =
  texts.toQueryString

/**
 * The value of `giveUp` for what an ocap-kernel does: it sends what is not acknowledged again after 10 s, three times, and gives
 * up when the last of these has been left alone for 10 s, too. Here it is time without contact that counts.
 *
 * @since 0.1.0
 * @category constructors
 */
export const giveUpLikeOcapKernel = { after: Duration.times(Duration.seconds(10), 3 + 1) }

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

/**
 * Puts the options in force that the environment sets (see `fromConfig`), or those that `config` reads.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config?: Config.Config.Wrap<typeof Options.Encoded>
): Layer.Layer<never, InvalidOptionsError | ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(config === undefined ? fromConfig : Config.unwrap(config), layer))

/**
 * `RemoteIdentity` on a `RemoteStore`: made once, in one transaction, and the same as long as the store lives.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { InvalidAddressError } from "../errors/AddressError.ts"
import type { InvalidOptionsError } from "../errors/ConfigError.ts"
import type { IdentityExistsError, InvalidMnemonicError, InvalidSeedError } from "../errors/IdentityError.ts"
import { UnknownOcapUrlError } from "../errors/IdentityError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import * as IdentityKeys from "../internal/identityKeys.ts"
import * as Declare from "../internal/options.ts"
import * as OptionTexts from "../internal/optionTexts.ts"
import * as SealedReference from "../internal/sealedReference.ts"
import * as Mnemonic from "../protocol/Mnemonic.ts"
import * as OcapUrl from "../protocol/OcapUrl.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import * as RelayPool from "../protocol/RelayPool.ts"
import { Entropy } from "../services/Entropy.ts"
import { RemoteIdentity } from "../services/RemoteIdentity.ts"
import { RemoteStore } from "../services/RemoteStore.ts"

/**
 * How a kernel gets its identity, and what its URLs say about where it is.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Options = Schema.Struct({
  keySeed: Declare.secret(
    "32 bytes in hexadecimal, `Redacted`; used only when the store holds no identity yet, which always wins"
  ),
  mnemonic: Declare.secret(
    "a BIP39 phrase, `Redacted`; outranks `keySeed`. Refused when the store holds an identity, even the same one"
  ),
  relays: Declare.texts(
    "the start relays, as multiaddrs. Without any, the pool stays as it is stored. One that is no multiaddr is skipped"
  ),
  maxUrlRelayHints: Declare.count(
    RelayPool.defaultMaxUrlRelayHints,
    "how many relays a URL names at most; a URL has room for 16 hints of all kinds"
  ),
  maxKnownRelays: Declare.count(RelayPool.defaultMaxKnownRelays, "how many relays are remembered"),
  directHintsInUrls: Declare.flag(
    true,
    "whether direct addresses among the hints of `issueOcapUrl` get into the URL; without them relays have to do"
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Options = typeof Options.Type

/**
 * What can be wrong at the start.
 *
 * @since 0.1.0
 * @category errors
 */
export type StartError =
  | InvalidOptionsError
  | InvalidMnemonicError
  | InvalidSeedError
  | IdentityExistsError
  | StoreError

const readOptions = Declare.decoder(Options)
const texts = OptionTexts.make(Options)

/**
 * The options that the environment, or another `ConfigProvider`, sets: `REMOTES_MNEMONIC` for `mnemonic`, `REMOTES_RELAYS` with
 * commas between them for `relays`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromConfig: Effect.Effect<
  Partial<Options>,
  InvalidOptionsError | ConfigError.ConfigError
> = texts.fromConfig

/**
 * The options that a query string sets, as for `RemotesConfig`; never a secret one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromQueryString: (search: string | undefined) => Either.Either<Partial<Options>, InvalidOptionsError> =
  texts.fromQueryString

/**
 * The query string from which `fromQueryString` reads the same options; `keySeed` and `mnemonic` never get into it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toQueryString: (options: typeof Options.Encoded) => Either.Either<string, InvalidOptionsError> =
  texts.toQueryString

/** Brings the stored pool up to date with the start relays; tells which relays it had no place for. */
const startRelays = Effect.fnUntraced(function* ({ maxKnownRelays }: Options, addresses: ReadonlyArray<string>) {
  const store = yield* RemoteStore
  const now = yield* Clock.currentTimeMillis
  const { evicted, pool } = RelayPool.start(yield* store.loadRelays, addresses, { now, maxKnownRelays })
  if (addresses.length > 0 || evicted.length > 0) yield* store.saveRelays(pool)
  return evicted
})

const logSkipped = (address: string) =>
  Effect.logWarning(`Start relay skipped: ${new InvalidAddressError({ address, reason: "no multiaddr" }).message}`)

const logEvicted = (evicted: RelayPool.RelayPool, { maxKnownRelays }: Options) => {
  const chosen = evicted.filter((it) => it.bootstrap).length
  const text = `Relays forgotten, because at most ${maxKnownRelays} are kept: ${evicted.length}, ${chosen} of them start relays`
  return evicted.length === 0 ? Effect.void : chosen === 0 ? Effect.logInfo(text) : Effect.logWarning(text)
}

/** Chooses the hints of a URL: own direct addresses, then relays, for which room is kept. */
const makeHints = (peerId: PeerId, store: RemoteStore["Type"], options: Options) => {
  const suffix = `/p2p/${peerId}`
  const most = Math.min(options.maxUrlRelayHints, OcapUrl.maxHints)
  return Effect.fnUntraced(function* (hints: ReadonlyArray<string>) {
    const [others, direct] = Arr.partition(new Set(hints), (it) => it.endsWith(suffix))
    const known = yield* store.loadRelays
    const now = yield* Clock.currentTimeMillis
    const { pool } = RelayPool.see(known, others, { now, maxKnownRelays: known.length + others.length })
    const relays = RelayPool.urlHints(pool, most)
    return options.directHintsInUrls ? [...direct.slice(0, OcapUrl.maxHints - relays.length), ...relays] : relays
  })
}

/**
 * Loads the identity of the store, or makes one, and brings the relay pool up to date, all in one transaction.
 *
 * A reference of more than 1024 bytes, or with lone surrogates, is a bug of the caller: issuing a URL for it dies. Every
 * other reference is redeemed as exactly what was issued, also one that begins with blanks.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (choice: typeof Options.Encoded = {}) {
  const options = yield* readOptions(choice)
  const store = yield* RemoteStore
  const [relays, malformed] = Arr.partition(options.relays, (it) => !RelayPool.isAddress(it))
  const [keys, evicted] = yield* store.transaction(
    Effect.all([IdentityKeys.loadOrCreate(options), startRelays(options, relays)])
  )
  yield* Effect.forEach(malformed, logSkipped, { discard: true })
  yield* logEvicted(evicted, options)

  const { incarnationId, keySeed, ocapUrlKey, peerId } = keys
  const context = `effect-remotes/OcapUrl/1 ${peerId} ${incarnationId}`
  const references = yield* SealedReference.make(ocapUrlKey, context, yield* Entropy)
  const chooseHints = makeHints(peerId, store, options)

  const issueOcapUrl = Effect.fn("RemoteIdentity.issueOcapUrl")(function* (
    reference: string,
    at?: { readonly hints?: ReadonlyArray<string> }
  ) {
    const hints = yield* chooseHints(at?.hints ?? [])
    const oid = yield* references.seal(reference)
    return yield* Effect.orDie(OcapUrl.format({ oid, host: peerId, hints }))
  })
  const redeemOcapUrl = Effect.fn("RemoteIdentity.redeemOcapUrl")(function* (url: string) {
    const { host, oid } = yield* OcapUrl.parse(url)
    if (host !== peerId) return yield* new UnknownOcapUrlError({ reason: "OtherHost" })
    return yield* Effect.mapError(references.open(oid), () => new UnknownOcapUrlError({ reason: "BadReference" }))
  })
  return RemoteIdentity.of({ peerId, incarnationId, keySeed, issueOcapUrl, redeemOcapUrl })
})

/**
 * The identity that the store holds, or a new one. Needs no network.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: typeof Options.Encoded = {}): Layer.Layer<RemoteIdentity, StartError, RemoteStore> =>
  Layer.effect(RemoteIdentity, make(options))

/**
 * The same as `layer`, with the options that the environment sets (see `fromConfig`), or those that `config` reads; read
 * secrets with `Config.redacted`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config?: Config.Config.Wrap<typeof Options.Encoded>
): Layer.Layer<RemoteIdentity, StartError | ConfigError.ConfigError, RemoteStore> =>
  Layer.unwrapEffect(Effect.map(config === undefined ? fromConfig : Config.unwrap(config), layer))

/**
 * A fresh BIP39 phrase of 12 words (128 bits) or 24 (256 bits), for `mnemonic` on an empty store.
 *
 * @since 0.1.0
 * @category constructors
 */
export const generateMnemonic = Effect.fnUntraced(function* (words: Mnemonic.Length = 12) {
  const entropy = yield* (yield* Entropy).bytes(Mnemonic.entropyLength(words))
  return Mnemonic.fromEntropy(Redacted.make(entropy))
})

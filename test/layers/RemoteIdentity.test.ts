import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { UnknownOcapUrlError } from "../../src/errors/IdentityError.ts"
import { StoreUnavailableError } from "../../src/errors/StoreError.ts"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as OcapUrl from "../../src/protocol/OcapUrl.ts"
import { Entropy } from "../../src/services/Entropy.ts"
import { RemoteIdentity } from "../../src/services/RemoteIdentity.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"

type Options = NonNullable<Parameters<typeof RemoteIdentityStored.layer>[0]>

const seedA = "a1".repeat(32)
const seedB = "b2".repeat(32)
const peerA = "12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak"
const peerB = "12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E"
const phrase = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
const otherPhrase = "legal winner thank year wave sausage worth useful legal winner thank yellow"
const peerOfPhrase = "12D3KooWP7CwQswqLKZbwvYd9wrEynnL9F2aKVP1X9huNASBTuqj"
const peerOfOtherPhrase = "12D3KooWPCyWnZCXR3VGdrQjLr5d8TBaAHD956XZvo6xoCXYB5AR"

const relay = (n: number) => `/ip4/10.0.0.${n}/tcp/9001/ws`
const relays = (count: number, from = 1) => Array.from({ length: count }, (_, i) => relay(from + i))

const fromSeed = (seed: string): Options => ({ keySeed: Redacted.make(seed) })
const fromPhrase = (words: string): Options => ({ mnemonic: Redacted.make(words) })

/** Starts a kernel's identity on the store in scope, as at each start of the process. */
const start = (options?: Options) => Effect.provide(RemoteIdentity, RemoteIdentityStored.layer(options))

/** Starts with what a program without types could pass. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types are what this goes around
const startUntyped = (options: unknown) => start(options as Options)

const hintsOf = (url: string) => Either.getOrThrow(OcapUrl.parse(url)).hints

const issueHints = (identity: RemoteIdentity["Type"], hints?: ReadonlyArray<string>) =>
  Effect.map(identity.issueOcapUrl("ko1", hints === undefined ? {} : { hints }), hintsOf)

const stored = Effect.flatMap(RemoteStore, (store) => Effect.map(store.loadIdentity, Option.getOrThrow))

/** A kernel's identity on a store of its own, both open until the test ends. */
const kernel = (options?: Options) =>
  RemoteIdentityStored.layer(options).pipe(
    Layer.provide(RemoteStoreMemory.layer),
    Layer.build,
    Effect.map(Context.get(RemoteIdentity))
  )

/** Makes the store say that every URL was issued, so that only its seal can be what is refused. */
const trusting = <A, E>(effect: Effect.Effect<A, E, RemoteStore>) =>
  Effect.updateService(effect, RemoteStore, (store) => ({
    ...store,
    findIssuedUrl: (id: string) => Effect.succeedSome({ id, expiresAt: undefined, revoked: false })
  }))

/** Runs an effect on a store of its own. */
const alone = Effect.provide(RemoteStoreMemory.layer)

describe("RemoteIdentityStored: who the kernel is", () => {
  it.effect.each([
    [fromSeed(seedA), peerA],
    [fromSeed(seedB), peerB],
    [fromSeed(seedB.toUpperCase()), peerB],
    [fromSeed("00".repeat(32)), "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"],
    [fromPhrase(phrase), peerOfPhrase],
    [fromPhrase(otherPhrase), peerOfOtherPhrase]
  ] as const)("has the peer id that an ocap-kernel has for the same secret (%#)", ([options, peer]) =>
    alone(
      Effect.gen(function* () {
        assert.strictEqual<string>((yield* start(options)).peerId, peer)
      })
    )
  )

  it.effect("makes an identity of its own for each empty store", () =>
    Effect.gen(function* () {
      const fresh = alone(Effect.zip(start(), stored))
      const [a, storedA] = yield* fresh
      const [b, storedB] = yield* fresh
      assert.notStrictEqual(a.peerId, b.peerId)
      assert.notStrictEqual(a.incarnationId, b.incarnationId)
      assert.match(a.incarnationId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.match(Redacted.value(storedA.keySeed), /^[0-9a-f]{64}$/)
      assert.match(Redacted.value(storedA.ocapUrlKey), /^[0-9a-f]{64}$/)
      assert.notStrictEqual(Redacted.value(storedA.ocapUrlKey), Redacted.value(storedB.ocapUrlKey))
      assert.strictEqual(Redacted.value(a.keySeed).length, 32)
    })
  )

  it.effect("is the same at every later start, also when given another seed", () =>
    alone(
      Effect.gen(function* () {
        const first = yield* start(fromSeed(seedA))
        const url = yield* first.issueOcapUrl("ko1")
        const second = yield* start(fromSeed(seedB))
        assert.strictEqual(second.peerId, peerA)
        assert.strictEqual(second.incarnationId, first.incarnationId)
        assert.deepStrictEqual(Redacted.value(second.keySeed), Redacted.value(first.keySeed))
        assert.strictEqual(yield* second.redeemOcapUrl(url), "ko1")
      })
    )
  )

  it.effect("prefers the mnemonic to the seed", () =>
    alone(
      Effect.gen(function* () {
        assert.strictEqual((yield* start({ ...fromSeed(seedA), ...fromPhrase(phrase) })).peerId, peerOfPhrase)
      })
    )
  )

  it.effect.each([phrase, otherPhrase, "no phrase"])("refuses any mnemonic for a stored identity (%#)", (words) =>
    alone(
      Effect.gen(function* () {
        yield* start({ ...fromPhrase(phrase), relays: relays(1) })
        const store = yield* RemoteStore
        const before = [yield* store.loadIdentity, yield* store.loadRelays]
        const error = yield* Effect.flip(start({ ...fromPhrase(words), relays: relays(2) }))
        assert.strictEqual(error._tag, "IdentityExistsError")
        assert.deepStrictEqual([yield* store.loadIdentity, yield* store.loadRelays], before)
      })
    )
  )

  it.effect.each([
    ["InvalidMnemonicError", fromPhrase("abandon abandon abandon abandon about")],
    ["InvalidMnemonicError", fromPhrase("")],
    ["InvalidSeedError", fromSeed("a1".repeat(31))],
    ["InvalidSeedError", fromSeed("a1".repeat(33))],
    ["InvalidSeedError", fromSeed("zz".repeat(32))],
    ["InvalidSeedError", fromSeed("")]
  ] as const)("stores nothing on %s", ([tag, options]) =>
    alone(
      Effect.gen(function* () {
        const error = yield* Effect.flip(start({ ...options, relays: relays(1) }))
        assert.strictEqual(error._tag, tag)
        const store = yield* RemoteStore
        assert.isTrue(Option.isNone(yield* store.loadIdentity))
        assert.deepStrictEqual(yield* store.loadRelays, [])
      })
    )
  )

  it.effect("stores identity and relays together or not at all", () =>
    alone(
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const full = new StoreUnavailableError({ operation: "save relays", reason: "Full" })
        const broken = { ...store, saveRelays: () => Effect.fail(full) }
        const error = yield* Effect.flip(start({ relays: relays(1) }).pipe(Effect.provideService(RemoteStore, broken)))
        assert.strictEqual(error._tag, "StoreUnavailableError")
        assert.isTrue(Option.isNone(yield* store.loadIdentity))
      })
    )
  )

  it.effect.each([
    ["a peer id that is not the seed's", { keySeed: Redacted.make(seedB) }],
    ["a short seed", { keySeed: Redacted.make("a1") }],
    ["a seed that is no hex", { keySeed: Redacted.make("x".repeat(64)) }],
    ["a short URL key", { ocapUrlKey: Redacted.make("c3".repeat(31)) }],
    ["a long URL key", { ocapUrlKey: Redacted.make("c3".repeat(33)) }],
    ["an empty incarnation id", { incarnationId: "" }]
  ] as const)("does not start with %s", ([_, damage]) =>
    alone(
      Effect.gen(function* () {
        yield* start(fromSeed(seedA))
        const store = yield* RemoteStore
        yield* store.saveIdentity({ ...(yield* stored), ...damage })
        const error = yield* Effect.flip(start(fromSeed(seedA)))
        assert.strictEqual(error._tag, "StoreCorruptError")
        assert.notMatch(error.message, /a1a1|b2b2|c3c3|xxx/)
      })
    )
  )

  it.scoped("survives the loss of the store as the same peer in a new incarnation", () =>
    Effect.gen(function* () {
      const before = yield* kernel(fromPhrase(phrase))
      const after = yield* kernel(fromPhrase(phrase))
      assert.strictEqual(after.peerId, before.peerId)
      assert.notStrictEqual(after.incarnationId, before.incarnationId)
      const url = yield* before.issueOcapUrl("ko1")
      assert.strictEqual((yield* Effect.flip(after.redeemOcapUrl(url)))._tag, "UnknownOcapUrlError")
    })
  )

  it.effect("is repeatable with a repeatable source of entropy", () =>
    Effect.gen(function* () {
      const run = Effect.suspend(() => {
        let next = 0
        const bytes = (length: number) => Effect.sync(() => new Uint8Array(length).map(() => next++))
        return alone(
          Effect.gen(function* () {
            const identity = yield* start()
            return [identity.peerId, identity.incarnationId, yield* identity.issueOcapUrl("ko1")]
          })
        ).pipe(Effect.provideService(Entropy, { bytes }))
      })
      assert.deepStrictEqual(yield* run, yield* run)
    })
  )

  it.effect("makes mnemonics of 12 and 24 words that it accepts", () =>
    Effect.gen(function* () {
      for (const words of [12, 24] as const) {
        const mnemonic = yield* RemoteIdentityStored.generateMnemonic(words)
        assert.strictEqual(Redacted.value(mnemonic).split(" ").length, words)
        const again = [yield* alone(start({ mnemonic })), yield* alone(start({ mnemonic }))]
        assert.strictEqual(again[0]?.peerId, again[1]?.peerId)
      }
      const [a, b] = [yield* RemoteIdentityStored.generateMnemonic(), yield* RemoteIdentityStored.generateMnemonic()]
      assert.notStrictEqual(Redacted.value(a), Redacted.value(b))
    })
  )
})

describe("RemoteIdentityStored: options", () => {
  it.effect.each([
    { maxUrlRelayHints: 0 },
    { maxUrlRelayHints: 1.5 },
    { maxKnownRelays: -1 },
    { maxKnownRelays: Number.POSITIVE_INFINITY },
    { maxKnownRelays: Number.NaN }
  ])("refuses %o", (options) =>
    alone(
      Effect.gen(function* () {
        const error = yield* Effect.flip(start(options))
        assert.strictEqual(error._tag, "InvalidOptionsError")
        const [[name, value] = []] = Object.entries(options)
        assert.strictEqual(
          error.message,
          `invalid options: ${name} must be a whole number from 1 on, but is ${String(value)}`
        )
        assert.isTrue(Option.isNone(yield* (yield* RemoteStore).loadIdentity))
      })
    )
  )

  it.effect("names every wrong option and repeats no secret", () =>
    alone(
      Effect.gen(function* () {
        const untyped: unknown = { mnemonic: phrase, keySeed: seedA, mnemonics: otherPhrase }
        const error = yield* Effect.flip(startUntyped(untyped))
        assert.strictEqual(error._tag, "InvalidOptionsError")
        assert.match(error.message, /; mnemonic must be a Redacted string$/)
        assert.match(error.message, /; keySeed must be a Redacted string;/)
        assert.match(error.message, /mnemonics is no option, but these are: keySeed, mnemonic, seal, relays/)
        assert.notMatch(JSON.stringify(error) + error.message + error.stack, /abandon|a1a1|sausage/)
      })
    )
  )

  it.effect("takes undefined for left out", () =>
    alone(
      Effect.gen(function* () {
        const names = [
          "keySeed",
          "mnemonic",
          "relays",
          "maxUrlRelayHints",
          "maxKnownRelays",
          "maxIssuedUrls",
          "directHintsInUrls"
        ]
        const options: unknown = Object.fromEntries(names.map((it) => [it, undefined]))
        assert.strictEqual((yield* startUntyped(options)).peerId, (yield* start()).peerId)
      })
    )
  )

  it.effect("reads them from a ConfigProvider", () =>
    alone(
      Effect.gen(function* () {
        const layer = RemoteIdentityStored.layerConfig({
          keySeed: Config.redacted("KEY_SEED"),
          relays: Config.array(Config.string(), "RELAYS"),
          maxUrlRelayHints: Config.integer("HINTS")
        })
        const provider = ConfigProvider.fromMap(
          new Map([
            ["KEY_SEED", seedA],
            ["RELAYS", relays(3).join(",")],
            ["HINTS", "1"]
          ])
        )
        const identity = yield* RemoteIdentity.pipe(Effect.provide(layer), Effect.withConfigProvider(provider))
        assert.strictEqual(identity.peerId, peerA)
        assert.deepStrictEqual(yield* issueHints(identity), [relay(1)])
      })
    )
  )

  it.effect("reads them from the environment", () =>
    alone(
      Effect.gen(function* () {
        const provider = ConfigProvider.fromMap(
          new Map([
            ["REMOTES_KEY_SEED", seedA],
            ["REMOTES_RELAYS", relays(3).join(",")],
            ["REMOTES_MAX_URL_RELAY_HINTS", "1"]
          ])
        )
        const layer = RemoteIdentityStored.layerConfig()
        const identity = yield* RemoteIdentity.pipe(Effect.provide(layer), Effect.withConfigProvider(provider))
        assert.strictEqual(identity.peerId, peerA)
        assert.deepStrictEqual(yield* issueHints(identity), [relay(1)])
      })
    )
  )
})

describe("RemoteIdentityStored: OCAP URLs", () => {
  const roundTrip = (reference: string) =>
    Effect.gen(function* () {
      const identity = yield* RemoteIdentity
      const url = yield* identity.issueOcapUrl(reference)
      assert.strictEqual(yield* identity.redeemOcapUrl(url), reference)
    })
  const one = Layer.provide(RemoteIdentityStored.layer(), RemoteStoreMemory.layer)

  it.effect.each([
    "ko1",
    "",
    " ",
    "  ko1",
    " ".repeat(40) + "ko1",
    "ko1  ",
    "\tko1",
    "\0ko1",
    " \0 ko1",
    "\0".repeat(20),
    "\ufeffko1".repeat(5),
    "ко1 🦊",
    "0123456789abcdef",
    "r".repeat(101),
    "é".repeat(512),
    "\u{10ffff}".repeat(256),
    "\0".repeat(1024)
  ])("redeems what it issued: %j", (reference) => Effect.provide(roundTrip(reference), one))

  it.effect.prop(
    "redeems what it issued, whatever it was",
    [FastCheck.string({ unit: "binary", maxLength: 200 })],
    ([reference]) => Effect.provide(roundTrip(reference), one),
    { fastCheck: { numRuns: 50 } }
  )

  it.effect.each(["x".repeat(1025), "é".repeat(513), "\ud800", "ko\udc00 1"])(
    "dies of a reference that no URL can carry unchanged (%#)",
    (reference) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit((yield* RemoteIdentity).issueOcapUrl(reference))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        assert.notInclude(String(exit), "xxx")
      }).pipe(Effect.provide(one))
  )

  it.effect("tells nothing about the reference, not even whether two are the same", () =>
    Effect.gen(function* () {
      const identity = yield* RemoteIdentity
      const urls = yield* Effect.forEach(["ko1", "ko1", "", "ko123456789abcde"], (it) => identity.issueOcapUrl(it))
      assert.strictEqual(new Set(urls).size, urls.length)
      for (const url of urls) {
        const { host, oid } = Either.getOrThrow(OcapUrl.parse(url))
        assert.strictEqual(host, identity.peerId)
        assert.match(oid, /^z[1-9A-HJ-NP-Za-km-z]{91,93}$/)
      }
    }).pipe(Effect.provide(one))
  )

  const badReference = new UnknownOcapUrlError({ reason: "BadReference" })

  it.effect("refuses an oid with any one character changed, left out or added", () =>
    Effect.gen(function* () {
      const identity = yield* RemoteIdentity
      const { oid, ...rest } = Either.getOrThrow(OcapUrl.parse(yield* identity.issueOcapUrl("ko1")))
      const variants = Array.from(oid, (char, at) => [
        oid.slice(0, at) + (char === "a" ? "b" : "a") + oid.slice(at + 1),
        oid.slice(0, at) + oid.slice(at + 1),
        oid.slice(0, at) + (char === "1" ? "2" : "1") + oid.slice(at)
      ]).flat()
      const others = ["z", "oid", "z0OIl", "f00", "z" + "2".repeat(7000), "z" + "2".repeat(1400), `${oid}${oid}`]
      for (const oid of [...variants, ...others]) {
        const url = Either.getOrElse(OcapUrl.format({ ...rest, oid }), () => "")
        const error = yield* Effect.flip(identity.redeemOcapUrl(url))
        assert.strictEqual(JSON.stringify(error), JSON.stringify(badReference))
        assert.isUndefined(error.cause)
      }
    }).pipe(Effect.provide(one))
  )

  it.scoped("refuses the URL of another kernel, and what is no URL", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* kernel(fromSeed(seedA)), yield* kernel(fromSeed(seedB))]
      const foreign = yield* Effect.flip(a.redeemOcapUrl(yield* b.issueOcapUrl("ko1")))
      assert.strictEqual(foreign._tag === "UnknownOcapUrlError" && foreign.reason, "OtherHost")
      const nonsense = yield* Effect.flip(a.redeemOcapUrl("utter nonsense"))
      assert.strictEqual(nonsense._tag === "InvalidOcapUrlError" && nonsense.reason, "NotAUrl")
    })
  )

  it.effect("binds a URL to the incarnation that issued it, even under the same keys", () =>
    alone(
      Effect.gen(function* () {
        const before = yield* start()
        const url = yield* before.issueOcapUrl("ko1")
        const store = yield* RemoteStore
        yield* store.saveIdentity({ ...(yield* stored), incarnationId: "5f0e0a2c-0000-4000-8000-000000000001" })
        const after = yield* trusting(start())
        assert.strictEqual(after.peerId, before.peerId)
        assert.notStrictEqual(after.incarnationId, before.incarnationId)
        const error = yield* Effect.flip(after.redeemOcapUrl(url))
        assert.strictEqual(error._tag === "UnknownOcapUrlError" && error.reason, "BadReference")
      })
    )
  )

  it.effect("binds a URL to its host, even under the same key and incarnation", () =>
    Effect.gen(function* () {
      const [url, record] = yield* alone(
        Effect.gen(function* () {
          const a = yield* start(fromSeed(seedA))
          return [yield* a.issueOcapUrl("ko1"), yield* stored] as const
        })
      )
      const b = yield* alone(
        Effect.gen(function* () {
          yield* start(fromSeed(seedB))
          const { incarnationId, ocapUrlKey } = record
          yield* (yield* RemoteStore).saveIdentity({ ...(yield* stored), incarnationId, ocapUrlKey })
          return yield* trusting(start())
        })
      )
      const error = yield* Effect.flip(b.redeemOcapUrl(url.replace(peerA, peerB)))
      assert.strictEqual(error._tag === "UnknownOcapUrlError" && error.reason, "BadReference")
    })
  )

  it.effect("lets no secret and no URL into logs, spans and errors", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const logger = Logger.make(({ annotations, cause, message }) => seen.push(message, cause, [...annotations]))
      const native = Tracer.make({
        context: (f) => f(),
        span: (name, parent, context, links, startTime, kind, options) => {
          seen.push(name, options?.attributes)
          return {
            ...{ _tag: "Span" as const, name, parent, context, links, kind, spanId: "s", traceId: "t", sampled: true },
            ...{ status: { _tag: "Started" as const, startTime }, attributes: new Map() },
            attribute: (key, value) => seen.push(key, value),
            event: (...all) => seen.push(...all),
            addLinks: () => {},
            // What a span ended with is exported only when it failed.
            end: (_, exit) => Exit.isFailure(exit) && seen.push(exit)
          }
        }
      })
      yield* alone(
        Effect.gen(function* () {
          const identity = yield* start({ ...fromPhrase(phrase), relays: [...relays(30), "nonsense"] })
          const url = yield* identity.issueOcapUrl("ko-very-secret")
          const { oid } = Either.getOrThrow(OcapUrl.parse(url))
          for (const text of [
            url.slice(1),
            `${url}@`,
            url.replace("ocap:z", "ocap:z2"),
            url.replace(peerOfPhrase, peerA)
          ]) {
            seen.push(yield* Effect.exit(identity.redeemOcapUrl(text)))
          }
          seen.push(yield* Effect.exit(start(fromPhrase(phrase))))
          seen.push(identity)
          const everything = seen.map(
            (it) => `${String(it)} ${JSON.stringify(it)} ${it instanceof Error ? it.stack : ""}`
          )
          assert.include(everything.join("\n"), "RemoteIdentity.redeemOcapUrl")
          assert.include(everything.join("\n"), "Start relay skipped")
          const keys = yield* stored
          const secrets = [
            "abandon",
            oid.slice(2),
            "ko-very-secret",
            Redacted.value(keys.keySeed),
            Redacted.value(keys.ocapUrlKey)
          ]
          for (const secret of secrets) assert.notInclude(everything.join("\n"), secret)
        })
      ).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.withTracer(native),
        Effect.withTracerEnabled(true)
      )
    })
  )
})

describe("RemoteIdentityStored: which URLs are good", () => {
  const refusal = (identity: RemoteIdentity["Type"], url: string) =>
    Effect.match(identity.redeemOcapUrl(url), {
      onFailure: (error) => (error._tag === "UnknownOcapUrlError" ? error.reason : error._tag),
      onSuccess: () => "good"
    })

  it.effect("one that was issued with a limit, up to that limit", () =>
    alone(
      Effect.gen(function* () {
        yield* TestClock.setTime(1_700_000_000_000)
        const identity = yield* start()
        const url = yield* identity.issueOcapUrl("ko1", { expiresIn: "10 seconds" })
        const lasting = yield* identity.issueOcapUrl("ko1")
        yield* TestClock.adjust("9999 millis")
        assert.strictEqual(yield* identity.redeemOcapUrl(url), "ko1")
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* refusal(identity, url), "Expired")
        assert.strictEqual(yield* refusal(identity, lasting), "good")
        // The record goes at the next start; the URL itself still tells why.
        const again = yield* start()
        assert.strictEqual(yield* (yield* RemoteStore).countIssuedUrls, 1)
        assert.strictEqual(yield* refusal(again, url), "Expired")
        assert.strictEqual(yield* refusal(again, lasting), "good")
      })
    )
  )

  it.effect("one that was not revoked, though another for the same reference was", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start()
        const [url, other] = [yield* identity.issueOcapUrl("ko1"), yield* identity.issueOcapUrl("ko1")]
        yield* identity.revokeOcapUrl(url)
        yield* identity.revokeOcapUrl(url)
        assert.strictEqual(yield* refusal(identity, url), "Revoked")
        assert.strictEqual(yield* refusal(yield* start(), url), "Revoked")
        assert.strictEqual(yield* refusal(identity, other), "good")
      })
    )
  )

  it.scoped("not one that is nobody's to revoke", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* kernel(fromSeed(seedA)), yield* kernel(fromSeed(seedB))]
      const foreign = yield* Effect.flip(a.revokeOcapUrl(yield* b.issueOcapUrl("ko1")))
      assert.strictEqual(foreign._tag === "UnknownOcapUrlError" && foreign.reason, "OtherHost")
      assert.strictEqual((yield* Effect.flip(a.revokeOcapUrl("utter nonsense")))._tag, "InvalidOcapUrlError")
    })
  )

  it.effect("not one whose issuing was undone with the turn that it was part of", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start()
        const store = yield* RemoteStore
        let undone = ""
        const turn = Effect.map(identity.issueOcapUrl("ko1"), (url) => {
          undone = url
        })
        yield* Effect.ignore(store.transaction(Effect.zipRight(turn, Effect.fail("undone"))))
        assert.strictEqual(yield* refusal(identity, undone), "BadReference")
        assert.strictEqual((yield* Effect.flip(identity.revokeOcapUrl(undone)))._tag, "UnknownOcapUrlError")
        const [url, inside] = yield* store.transaction(
          Effect.flatMap(identity.issueOcapUrl("ko1"), (url) =>
            Effect.map(refusal(identity, url), (inside) => [url, inside] as const)
          )
        )
        assert.strictEqual(inside, "good", "the turn sees its own URL")
        assert.strictEqual(yield* refusal(identity, url), "good")
      })
    )
  )

  it.effect("not one that the store does not know, though it is sealed with the right key", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start()
        const url = yield* trusting(Effect.flatMap(start(), (it) => it.issueOcapUrl("ko1")))
        assert.strictEqual(yield* refusal(identity, url), "good")
        const store = yield* RemoteStore
        const dropping = yield* Effect.provideService(start(), RemoteStore, {
          ...store,
          putIssuedUrl: () => Effect.void
        })
        assert.strictEqual(yield* refusal(identity, yield* dropping.issueOcapUrl("ko1")), "BadReference")
      })
    )
  )

  it.effect("no more than the limit; expired and revoked ones make room", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start({ maxIssuedUrls: 3 })
        const issue = identity.issueOcapUrl("ko1")
        const brief = yield* identity.issueOcapUrl("ko1", { expiresIn: "1 second" })
        const [first, second] = [yield* issue, yield* issue]
        const error = yield* Effect.flip(issue)
        assert.strictEqual(error._tag === "ResourceLimitError" && error.limit, "issuedOcapUrls")
        assert.strictEqual(yield* refusal(identity, brief), "good")
        yield* TestClock.adjust("1 second")
        yield* issue
        assert.strictEqual((yield* Effect.flip(issue))._tag, "ResourceLimitError")
        yield* identity.revokeOcapUrl(first)
        yield* issue
        assert.strictEqual(yield* refusal(identity, first), "BadReference")
        assert.strictEqual(yield* refusal(identity, second), "good")
        assert.strictEqual(yield* (yield* RemoteStore).countIssuedUrls, 3)
      })
    )
  )

  it.effect("of which the store holds neither the URL nor the reference", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start()
        const store = yield* RemoteStore
        const records: Array<unknown> = []
        const watched = yield* Effect.provideService(start(), RemoteStore, {
          ...store,
          putIssuedUrl: (record) =>
            Effect.zipRight(
              Effect.sync(() => records.push(record)),
              store.putIssuedUrl(record)
            )
        })
        const { oid } = Either.getOrThrow(OcapUrl.parse(yield* watched.issueOcapUrl("ko-very-secret")))
        assert.strictEqual(identity.peerId, watched.peerId)
        assert.strictEqual(records.length, 1)
        assert.notInclude(JSON.stringify(records), "ko-very-secret")
        assert.notInclude(JSON.stringify(records), oid)
      })
    )
  )
})

describe("RemoteIdentityStored: relays", () => {
  it.scoped("puts 3 of 6 start relays into a URL, or as many as it is told", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* issueHints(yield* kernel({ relays: relays(6) })), relays(3))
      const five = yield* kernel({ relays: relays(10), maxUrlRelayHints: 5 })
      assert.deepStrictEqual(yield* issueHints(five), relays(5))
      assert.deepStrictEqual(yield* issueHints(yield* kernel()), [])
    })
  )

  it.effect("puts start relays before those learned since, without a new start", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start({ relays: relays(2) })
        const store = yield* RemoteStore
        const learned = relays(5, 11).map((address, i) => ({ address, lastSeen: 1000 + i, bootstrap: false }))
        yield* store.saveRelays([...learned, ...(yield* store.loadRelays)])
        assert.deepStrictEqual(new Set(yield* issueHints(identity)), new Set([relay(1), relay(2), relay(15)]))
      })
    )
  )

  it.effect("orders learned relays by when they were seen", () =>
    alone(
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.saveRelays(
          [100, 300, 200].map((lastSeen, i) => ({ address: relay(i), lastSeen, bootstrap: false }))
        )
        assert.deepStrictEqual(yield* issueHints(yield* start()), [relay(1), relay(2), relay(0)])
      })
    )
  )

  it.effect("keeps a start relay of earlier as a learned one, and the pool when started with none", () =>
    alone(
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* TestClock.setTime(1000)
        yield* start({ relays: [relay(1)] })
        yield* TestClock.setTime(2000)
        yield* start({ relays: [relay(2)] })
        const expected = [
          { address: relay(2), lastSeen: 2000, bootstrap: true },
          { address: relay(1), lastSeen: 1000, bootstrap: false }
        ]
        assert.deepStrictEqual(yield* store.loadRelays, expected)
        yield* TestClock.setTime(3000)
        const identity = yield* start()
        assert.deepStrictEqual(yield* store.loadRelays, expected)
        assert.deepStrictEqual(yield* issueHints(identity), [relay(2), relay(1)])
      })
    )
  )

  it.effect("remembers no more relays than it is told, also when told less than before", () =>
    alone(
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* start({ relays: relays(25) })
        assert.strictEqual((yield* store.loadRelays).length, 20)
        yield* start({ maxKnownRelays: 4 })
        assert.deepStrictEqual(
          (yield* store.loadRelays).map((it) => it.address),
          relays(4)
        )
      })
    )
  )

  it.effect("says which start relays it skips, and how many relays it forgets", () =>
    alone(
      Effect.gen(function* () {
        const lines: Array<string> = []
        const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
        yield* Effect.gen(function* () {
          yield* start({ relays: ["relay.example:443", ...relays(3)], maxKnownRelays: 2 })
          yield* start({ relays: [relay(9)], maxKnownRelays: 2 })
        }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
        assert.strictEqual(lines.length, 3)
        assert.match(lines[0] ?? "", /^WARN .*relay\.example:443/)
        assert.match(lines[1] ?? "", /^WARN .*at most 2 are kept: 1, 1 of them start relays$/)
        assert.match(lines[2] ?? "", /^INFO .*at most 2 are kept: 1, 0 of them start relays$/)
      })
    )
  )

  it.effect("skips a start relay that is no address", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start({ relays: ["relay.example:443", relay(1), ""] })
        assert.deepStrictEqual(yield* issueHints(identity), [relay(1)])
      })
    )
  )

  it.effect("puts direct addresses first, relays given with them behind the start relays", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start({ ...fromSeed(seedA), relays: relays(1) })
        yield* TestClock.setTime(5000)
        const direct = [`/ip4/127.0.0.1/tcp/1/p2p/${peerA}`, `/ip4/127.0.0.1/udp/1/quic-v1/p2p/${peerA}`]
        const hints = yield* issueHints(identity, [relay(7), ...direct, relay(1), ...direct])
        assert.deepStrictEqual(hints, [...direct, relay(1), relay(7)])
        assert.deepStrictEqual(
          (yield* (yield* RemoteStore).loadRelays).map((it) => it.address),
          relays(1)
        )
      })
    )
  )

  it.effect("keeps direct addresses out of URLs when told to", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start({ ...fromSeed(seedA), relays: relays(1), directHintsInUrls: false })
        assert.deepStrictEqual(yield* issueHints(identity, [`/ip4/127.0.0.1/tcp/1/p2p/${peerA}`]), relays(1))
      })
    )
  )

  it.effect("keeps room for relays beside any number of direct addresses", () =>
    alone(
      Effect.gen(function* () {
        const identity = yield* start({ ...fromSeed(seedA), relays: relays(3) })
        const direct = Array.from({ length: 40 }, (_, i) => `/ip4/127.0.0.1/tcp/${i}/p2p/${peerA}`)
        assert.deepStrictEqual(yield* issueHints(identity, direct), [...direct.slice(0, 13), ...relays(3)])
      })
    )
  )

  it.effect("learns relays that are seen: addresses only, few at a time, never as start relays", () =>
    alone(
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const identity = yield* start({ ...fromSeed(seedA), relays: [relay(1)], maxKnownRelays: 4 })
        const host = (yield* kernel(fromSeed(seedB))).peerId
        const learn = (...hints: ReadonlyArray<string>) => identity.learnRelays(host, hints)
        const direct = (peer: string) => `/ip4/10.0.0.9/tcp/1/p2p/${peer}`
        yield* TestClock.setTime(1000)
        yield* learn("nonsense", direct(peerA), direct(peerB), relay(2), relay(2), "", relay(3), relay(4), relay(5))
        const learned = (address: string, lastSeen: number) => ({ address, lastSeen, bootstrap: false })
        const first = { address: relay(1), lastSeen: 0, bootstrap: true }
        assert.deepStrictEqual(yield* store.loadRelays, [first, ...[2, 3, 4].map((n) => learned(relay(n), 1000))])
        yield* TestClock.setTime(2000)
        yield* learn(relay(3), relay(1), relay(6))
        assert.deepStrictEqual(yield* store.loadRelays, [
          { ...first, lastSeen: 2000 },
          learned(relay(6), 2000),
          learned(relay(3), 2000),
          learned(relay(2), 1000)
        ])
        const before = yield* store.loadRelays
        yield* learn("nonsense", direct(peerB))
        yield* start({ maxKnownRelays: 4 })
        assert.deepStrictEqual(yield* store.loadRelays, before, "neither this nor a start makes start relays of them")
      })
    ).pipe(Effect.scoped)
  )
})

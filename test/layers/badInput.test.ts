/**
 * Whatever is given to the public API, the answer is a typed error with one readable sentence; nothing is lost by it, and
 * nothing is left running. On real layers: libp2p on loopback above SQLite files.
 */
import { NodeFileSystem } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as ConnectionFactoryLibp2p from "../../src/layers/ConnectionFactoryLibp2p.ts"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemotesDurable from "../../src/layers/RemotesDurable.ts"
import * as RemoteStoreSql from "../../src/layers/RemoteStoreSql.ts"
import * as TransportLinks from "../../src/layers/TransportLinks.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import { KernelPort } from "../../src/services/KernelPort.ts"
import type { LinkError, LinkState } from "../../src/services/Transport.ts"
import { Remotes } from "../../src/services/Remotes.ts"
import type { RemoteHandleService } from "../../src/services/RemoteHandle.ts"
import * as RemotesConfig from "../../src/services/RemotesConfig.ts"
import { bodyOf, message } from "../support/kernel.ts"

/** A peer of whom nothing but the name is known. */
const stranger = "12D3KooWJBDqsyHQF2MWiCdU4kdqx4zTsSTLRdShg7Ui6CRWB4uc"
const loopback = "/ip4/127.0.0.1/tcp/0"
const phrase = `${"abandon ".repeat(11)}about`

interface Setting {
  readonly filename: string
  readonly config?: typeof RemotesConfig.Options.Encoded
  readonly network?: typeof ConnectionFactoryLibp2p.Options.Encoded
  readonly identity?: typeof RemoteIdentityStored.Options.Encoded
  readonly store?: typeof RemoteStoreSql.Options.Encoded
  readonly received?: Array<string>
}

const layerKernel = ({ config = {}, filename, identity = {}, network, received = [], store = {} }: Setting) =>
  RemotesDurable.layer.pipe(
    Layer.provide(
      Layer.succeed(KernelPort, {
        receive: (_, delivery) => Effect.sync(() => received.push(bodyOf(delivery))),
        redeem: (_, reference) => Effect.succeed(reference),
        forget: () => Effect.void
      })
    ),
    Layer.provide(TransportLinks.layer),
    Layer.provide(ConnectionFactoryLibp2p.layer({ listen: [loopback], ...network })),
    Layer.provide(RemoteIdentityStored.layer(identity)),
    Layer.provide(RemoteStoreSql.layerOptions(store)),
    Layer.provide(RemoteStoreSql.layerClient(Layer.orDie(SqliteClient.layer({ filename })))),
    Layer.provide(RemotesConfig.layer(config))
  )

const start = (setting: Setting) => Effect.map(Layer.build(layerKernel(setting)), Context.get(Remotes))

const directory = Effect.orDie(
  Effect.provide(
    Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped()),
    NodeFileSystem.layer
  )
)

/** A port that is in use for as long as the scope. */
const usedPort = Effect.map(
  Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const server = Net.createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
  ),
  (server) => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }
)

const sockets = () => process.getActiveResourcesInfo().filter((it) => it.startsWith("TCP")).length

const readLink = Option.liftThrowable((path: string) => Fs.readlinkSync(path, { encoding: "utf8" }))

/** Files of the directory that this process holds open, as far as the system tells. */
const openFiles = (home: string) =>
  Fs.existsSync("/proc/self/fd")
    ? Fs.readdirSync("/proc/self/fd")
        .flatMap((fd) => Option.toArray(readLink(`/proc/self/fd/${fd}`)))
        .filter((file) => file.startsWith(home))
    : []

/** Libp2p closes its sockets without an event to await. */
const settles = (expected: number) =>
  Effect.sync(sockets).pipe(
    Effect.repeat({ until: (count) => count === expected, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutOption("5 seconds"),
    Effect.andThen(() => assert.strictEqual(sockets(), expected, "open sockets"))
  )

interface Failure {
  readonly _tag: string
  readonly message: string
}

/** Typed, and said so that a person can read it. */
const assertFailure = (error: Failure, tag: string, sentence: RegExp | string) => {
  assert.strictEqual(error._tag, tag, error.message)
  if (typeof sentence === "string") assert.strictEqual(error.message, sentence)
  else assert.match(error.message, sentence)
  assert.match(error.message, /^[^\p{Cc}\p{Cf}]{10,600}$/u)
  assert.notMatch(error.message, /undefined|\[object|Duration\(|\bError: /)
}

type Prepare<A> = Effect.Effect<A, never, Scope.Scope | FileSystem.FileSystem>

/** What is wrong at the start; `home` is a directory that holds the store of a kernel. */
interface BadStart {
  readonly what: string
  readonly bad: (home: string) => Prepare<Partial<Setting>>
  readonly tag: string
  readonly sentence: RegExp | string
}

const constant = (setting: Partial<Setting>) => () => Effect.succeed(setting)
const listening = (listen: string) => constant({ network: { listen: [listen] } })
const junk = (size: number) => new Uint8Array(size).fill(7)

const badStarts: ReadonlyArray<BadStart> = [
  {
    what: "an address to listen on that is none",
    bad: listening("nonsense\u{1b}[2J"),
    tag: "InvalidAddressError",
    sentence: '"nonsense\u{fffd}[2J" is not an address that can be used: it is no multiaddr'
  },
  {
    what: "a port beyond all ports",
    bad: listening("/ip4/127.0.0.1/tcp/99999"),
    tag: "InvalidAddressError",
    sentence: '"/ip4/127.0.0.1/tcp/99999" is not an address that can be used: it is no multiaddr'
  },
  {
    what: "an address of a transport that is not there",
    bad: listening("/ip4/127.0.0.1/udp/0/quic-v1"),
    tag: "InvalidAddressError",
    sentence: '"/ip4/127.0.0.1/udp/0/quic-v1" is not an address that can be used: there is no transport to listen on it'
  },
  {
    what: "an address of another machine",
    bad: listening("/ip4/192.0.2.1/tcp/0"),
    tag: "ListenError",
    sentence: "cannot listen on /ip4/192.0.2.1/tcp/0: EADDRNOTAVAIL"
  },
  {
    what: "a port that is in use",
    bad: () => Effect.map(usedPort, (port) => ({ network: { listen: [loopback, `/ip4/127.0.0.1/tcp/${port}`] } })),
    tag: "ListenError",
    sentence: /^cannot listen on \/ip4\/127\.0\.0\.1\/tcp\/\d+: EADDRINUSE$/
  },
  {
    what: "a store below a file",
    bad: (home) => Effect.succeed({ filename: `${home}/store.db/store.db` }),
    tag: "StoreUnavailableError",
    sentence: "the store could not open the database: it cannot be written"
  },
  {
    what: "a store in no directory",
    bad: (home) => Effect.succeed({ filename: `${home}/missing/store.db` }),
    tag: "StoreUnavailableError",
    sentence: "the store could not open the database: it cannot be written"
  },
  {
    what: "a store that is a directory",
    bad: (home) => Effect.succeed({ filename: home }),
    tag: "StoreUnavailableError",
    sentence: "the store could not open the database: it cannot be written"
  },
  {
    what: "a store that is no database",
    bad: (home) =>
      Effect.gen(function* () {
        const filename = `${home}/junk.db`
        yield* Effect.orDie((yield* FileSystem.FileSystem).writeFile(filename, junk(8192)))
        return { filename }
      }),
    tag: "StoreCorruptError",
    sentence: "the store is damaged in the database: file is not a database"
  },
  {
    what: "a store with damaged pages",
    bad: (home) =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const bytes = yield* files.readFile(`${home}/store.db`)
        bytes.fill(0xff, 4096)
        yield* files.writeFile(`${home}/damaged.db`, bytes)
        return { filename: `${home}/damaged.db` }
      }).pipe(Effect.orDie),
    tag: "StoreCorruptError",
    sentence: "the store is damaged in the database: database disk image is malformed"
  },
  {
    what: "options of the library out of range",
    bad: constant({ config: { ackTimeout: "0 seconds", maxMessageSize: 1.5 } }),
    tag: "InvalidOptionsError",
    sentence:
      'invalid options: ackTimeout must be a finite duration of at least 1 ms, but is "0 seconds"; ' +
      "maxMessageSize must be a whole number from 4096 on, but is 1.5"
  },
  {
    what: "options of the network out of range",
    bad: constant({ network: { dialTimeout: Number.POSITIVE_INFINITY } }),
    tag: "InvalidOptionsError",
    sentence: "invalid options: dialTimeout must be a finite duration of at least 1 ms, but is Infinity"
  },
  {
    what: "options of the identity out of range",
    bad: constant({ identity: { maxKnownRelays: 0 } }),
    tag: "InvalidOptionsError",
    sentence: "invalid options: maxKnownRelays must be a whole number from 1 on, but is 0"
  },
  {
    what: "options of the store out of range",
    bad: constant({ store: { maxDeadLetters: -1 } }),
    tag: "InvalidOptionsError",
    sentence: "invalid options: maxDeadLetters must be a whole number from 1 on, but is -1"
  },
  {
    what: "a phrase that is none, on an empty store",
    bad: (home) =>
      Effect.succeed({ filename: `${home}/new.db`, identity: { mnemonic: Redacted.make(phrase.toUpperCase()) } }),
    tag: "InvalidMnemonicError",
    sentence: "the phrase is not a valid BIP39 mnemonic of 12, 15, 18, 21 or 24 English words"
  },
  {
    what: "a seed that is none, on an empty store",
    bad: (home) => Effect.succeed({ filename: `${home}/new.db`, identity: { keySeed: Redacted.make("a1") } }),
    tag: "InvalidSeedError",
    sentence: "the key seed is not 32 bytes in hexadecimal"
  },
  {
    what: "a phrase for a store that has an identity",
    bad: constant({ identity: { mnemonic: Redacted.make(phrase) } }),
    tag: "IdentityExistsError",
    sentence: /^the store already holds the identity 12D3KooW\w{44}; a mnemonic would change it$/
  }
]

describe("a kernel that is started with", () => {
  for (const { bad, sentence, tag, what } of badStarts) {
    it.scopedLive(`${what}: does not start, and starts once that is corrected`, () =>
      Effect.gen(function* () {
        yield* settles(0)
        const home = yield* directory
        const good = { filename: `${home}/store.db` }
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const remotes = yield* start(good)
            yield* Effect.flatMap(remotes.get(stranger), (handle) => handle.deliver(message("kept")))
            return remotes.localPeerId
          })
        )
        yield* settles(0)
        const setting = yield* bad(home)
        const idle = sockets()
        const error = yield* Effect.flip(Effect.scoped(start({ ...good, ...setting })))
        assertFailure(error, tag, sentence)
        yield* settles(idle)
        assert.deepStrictEqual(openFiles(home), [])
        const remotes = yield* start(good)
        assert.strictEqual(remotes.localPeerId, before)
        assert.deepInclude((yield* remotes.list)[0], {
          peerId: PeerId.PeerId.make(stranger),
          pendingMessages: 1,
          nextSeq: 2
        })
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )
  }

  it.scopedLive("a wrong variable in the environment: does not start", () =>
    Effect.gen(function* () {
      const layer = ConnectionFactoryLibp2p.layerConfig().pipe(
        Layer.provide(RemoteIdentityStored.layerConfig()),
        Layer.provide(RemoteStoreSql.layer),
        Layer.provide(RemoteStoreSql.layerClient(Layer.orDie(SqliteClient.layer({ filename: ":memory:" }))))
      )
      const startWith = (name: string, value: string) =>
        Effect.scoped(Layer.build(layer)).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map([[name, value]]))),
          Effect.flip
        )
      assertFailure(
        yield* startWith("REMOTES_LISTEN", "/ip4/127.0.0.1/tcp/0, nonsense"),
        "InvalidAddressError",
        '"nonsense" is not an address that can be used: it is no multiaddr'
      )
      assertFailure(
        yield* startWith("REMOTES_DIAL_TIMEOUT", "soon"),
        "InvalidOptionsError",
        'invalid options: REMOTES_DIAL_TIMEOUT must be a duration of at least 1 ms, such as "10 seconds", but is "soon"'
      )
      assertFailure(
        yield* startWith("REMOTES_KEY_SEED", "5ec4e7"),
        "InvalidSeedError",
        "the key seed is not 32 bytes in hexadecimal"
      )
    })
  )
})

/** Alice and bob, who know each other; what bob has received, and a handle of alice's for bob. */
const pair = (config: typeof RemotesConfig.Options.Encoded = {}) =>
  Effect.gen(function* () {
    const home = yield* directory
    const received: Array<string> = []
    const bob = yield* start({ filename: `${home}/bob.db`, received })
    const alice = yield* start({ filename: `${home}/alice.db`, config })
    const reference = yield* alice.redeemOcapUrl(yield* bob.issueOcapUrl("ro+1"))
    assert.strictEqual(reference, "ro+1")
    return { alice, bob, received, toBob: yield* alice.get(bob.localPeerId) }
  })

type Pair = Effect.Effect.Success<ReturnType<typeof pair>>

interface BadCall {
  readonly what: string
  readonly call: (pair: Pair) => Effect.Effect<unknown, Failure>
  readonly tag: string
  readonly sentence: RegExp | string
  readonly config?: typeof RemotesConfig.Options.Encoded
}

const redeeming = (what: string, url: string, sentence: string): BadCall => ({
  what,
  call: ({ alice }) => alice.redeemOcapUrl(url),
  tag: "InvalidOcapUrlError",
  sentence
})

const badCalls: ReadonlyArray<BadCall> = [
  {
    what: "no peer id",
    call: ({ alice }) => alice.get("bob"),
    tag: "InvalidPeerIdError",
    sentence: '"bob" is not a libp2p peer id'
  },
  {
    what: "an empty peer id",
    call: ({ alice }) => alice.get(""),
    tag: "InvalidPeerIdError",
    sentence: '"" is not a libp2p peer id'
  },
  {
    what: "a peer id that clears the screen",
    call: ({ alice }) => alice.get("\u{1b}[2Jbob"),
    tag: "InvalidPeerIdError",
    sentence: '"\u{fffd}[2Jbob" is not a libp2p peer id'
  },
  {
    what: "a peer id as long as a book, which would take minutes to read",
    call: ({ alice }) => alice.get(`12D3KooW${"z".repeat(1_000_000)}`),
    tag: "InvalidPeerIdError",
    sentence: /^"12D3KooWz{112}…" is not a libp2p peer id$/
  },
  {
    what: "a hint that is no address",
    call: ({ alice }) => alice.get(stranger, { hints: ["/ip4/127.0.0.1/tcp/1", "127.0.0.1:4001"] }),
    tag: "InvalidAddressError",
    sentence: '"127.0.0.1:4001" is not an address that can be used: it is no multiaddr'
  },
  {
    what: "a message over the limit",
    call: ({ toBob }) => toBob.deliver(message("x".repeat(1_048_576))),
    tag: "ResourceLimitError",
    sentence: /^the limit messageSize was reached: 10\d{5} of at most 1048576$/
  },
  {
    what: "one peer more than there may be",
    call: ({ alice }) => alice.get(stranger),
    tag: "ResourceLimitError",
    sentence: "the limit remotes was reached: 1 of at most 1",
    config: { maxRemotes: 1 }
  },
  redeeming("an empty URL", "", "not an OCAP URL: it has no scheme"),
  redeeming("a URL of another kind", "https://example.com/", 'not an OCAP URL: its scheme is not "ocap:"'),
  redeeming("a URL without an object", `ocap:@${stranger}`, "bad OCAP URL: it names no object"),
  redeeming("a URL without a host", "ocap:abc@", "bad OCAP URL: it names no host"),
  redeeming("a URL with two hosts", `ocap:abc@${stranger}@${stranger}`, 'bad OCAP URL: it must have exactly one "@"'),
  redeeming("a URL whose host is none", "ocap:abc@bob", "bad OCAP URL: its host is not a peer id"),
  redeeming("a URL as long as a book", `ocap:${"x".repeat(1_000_000)}@${stranger}`, "bad OCAP URL: it is too long"),
  {
    what: "a URL with its own name that it did not issue",
    call: ({ alice }) => alice.redeemOcapUrl(`ocap:abc@${alice.localPeerId}`),
    tag: "UnknownOcapUrlError",
    sentence: "the OCAP URL has a bad object reference"
  },
  {
    what: "a URL with a peer's name that it did not issue",
    call: ({ alice, bob }) => alice.redeemOcapUrl(`ocap:abc@${bob.localPeerId}`),
    tag: "RedemptionRefusedError",
    sentence: /^12D3KooW\w{44} refused to redeem the OCAP URL: the OCAP URL has a bad object reference$/
  },
  {
    what: "a URL of a peer whom nobody knows",
    call: ({ alice }) => alice.redeemOcapUrl(`ocap:abc@${stranger},nonsense`),
    tag: "RedemptionTimeoutError",
    sentence: `${stranger} did not answer the redemption within 1s`,
    config: { ackTimeout: "500 millis", redemptionRetries: 1 }
  }
]

describe("a running kernel that is given", () => {
  for (const { call, config, sentence, tag, what } of badCalls) {
    it.scopedLive(`${what}: says so, and goes on as before`, () =>
      Effect.gen(function* () {
        const { received, toBob, ...rest } = yield* pair(config)
        const [before] = yield* rest.alice.list
        assertFailure(yield* Effect.flip(call({ received, toBob, ...rest })), tag, sentence)
        assert.strictEqual(before?.peerId, rest.bob.localPeerId)
        const { nextSeq } = yield* toBob.status
        const receipt = yield* toBob.deliver(message("after"))
        assert.strictEqual(receipt.seq, nextSeq)
        yield* receipt.acknowledged
        assert.deepStrictEqual(received, ["after"])
      })
    )
  }

  it.scopedLive("a message over the limit: uses no number", () =>
    Effect.gen(function* () {
      const { toBob } = yield* pair()
      const before = yield* toBob.status
      yield* Effect.flip(toBob.deliver(message("x".repeat(1_048_576))))
      const after = yield* toBob.status
      assert.deepStrictEqual([after.nextSeq, after.pendingMessages], [before.nextSeq, before.pendingMessages])
    })
  )
})

const errorOf = (link: LinkState): LinkError | undefined =>
  link._tag === "Idle" || link._tag === "BackingOff" ? link.error : undefined

/** Why there is no channel, as soon as that is known. */
const whyNot = (handle: RemoteHandleService) =>
  handle.changes.pipe(
    Stream.filterMap(({ link }) => Option.fromNullable(errorOf(link))),
    Stream.runHead,
    Effect.flatten,
    Effect.timeout("20 seconds")
  )

const unreachable: ReadonlyArray<{
  readonly what: string
  readonly hints: (bob: Remotes["Type"]) => Effect.Effect<ReadonlyArray<string>, never, Scope.Scope>
  readonly tag: LinkError["_tag"]
  readonly sentence: RegExp
}> = [
  {
    what: "no address",
    hints: () => Effect.succeed([]),
    tag: "NoAddressError",
    sentence: new RegExp(`^no address is known for ${stranger}$`)
  },
  {
    what: "an address where nobody listens",
    hints: () => Effect.map(Effect.scoped(usedPort), (port) => [`/ip4/127.0.0.1/tcp/${port}/p2p/${stranger}`]),
    tag: "DialFailedError",
    sentence: /^could not reach 12D3KooW\w{44} at \/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3KooW\w{44}: ECONNREFUSED$/
  },
  {
    what: "an address of a transport that is not there",
    hints: () => Effect.succeed([`/ip4/127.0.0.1/udp/4001/quic-v1/p2p/${stranger}`]),
    tag: "DialFailedError",
    sentence: /^could not reach 12D3KooW\w{44} at \/ip4\/127\.0\.0\.1\/udp\/4001\/quic-v1\/p2p\/12D3KooW\w{44}: \w+$/
  },
  {
    what: "an address of plain ws on a public host, which is not dialed",
    hints: () => Effect.succeed([`/dns4/example.invalid/tcp/80/ws/p2p/${stranger}`]),
    tag: "DialFailedError",
    sentence:
      /^could not reach 12D3KooW\w{44} at \/dns4\/example\.invalid\/tcp\/80\/ws\/p2p\/12D3KooW\w{44}: DialDeniedError$/
  },
  {
    what: "an address at which somebody else answers",
    hints: (bob) =>
      Effect.map(Effect.orDie(bob.issueOcapUrl("x")), (url) =>
        url
          .split(",")
          .slice(1)
          .map((hint) => hint.replace(bob.localPeerId, stranger))
      ),
    tag: "DialFailedError",
    sentence: /^could not reach 12D3KooW\w{44} at \/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3KooW\w{44}: \w+$/
  }
]

describe("a peer that has", () => {
  for (const { hints, sentence, tag, what } of unreachable) {
    it.scopedLive(`${what}: its link says why, and its messages are kept`, () =>
      Effect.gen(function* () {
        yield* settles(0)
        const home = yield* directory
        const bob = yield* start({ filename: `${home}/bob.db` })
        const idle = sockets()
        const scope = yield* Scope.make()
        const alice = yield* Scope.extend(start({ filename: `${home}/alice.db` }), scope)
        const handle = yield* alice.get(stranger, { hints: yield* hints(bob) })
        yield* handle.deliver(message("kept"))
        assertFailure(yield* whyNot(handle), tag, sentence)
        assert.strictEqual((yield* handle.status).pendingMessages, 1)
        yield* Scope.close(scope, Exit.void)
        yield* settles(idle)
        const again = yield* start({ filename: `${home}/alice.db` })
        assert.deepInclude((yield* again.list)[0], { peerId: PeerId.PeerId.make(stranger), pendingMessages: 1 })
      })
    )
  }
})

it.scopedLive("a kernel that is stopped answers everything with one error", () =>
  Effect.gen(function* () {
    const home = yield* directory
    const scope = yield* Scope.make()
    const alice = yield* Scope.extend(start({ filename: `${home}/alice.db` }), scope)
    const handle = yield* alice.get(stranger)
    const receipt = yield* handle.deliver(message("kept"))
    yield* Scope.close(scope, Exit.void)
    const calls: ReadonlyArray<Effect.Effect<unknown, Failure>> = [
      alice.get("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"),
      alice.redeemOcapUrl(`ocap:abc@${stranger}`),
      handle.deliver(message("late")),
      receipt.acknowledged
    ]
    for (const call of calls) assertFailure(yield* Effect.flip(call), "NetworkStoppedError", "the network is stopped")
  })
)

import { assert, describe, it } from "@effect/vitest"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { tcp } from "@libp2p/tcp"
import { webSockets } from "@libp2p/websockets"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { createLibp2p } from "libp2p"
import * as Net from "node:net"
import { queryObjects } from "node:v8"
import type { ChannelError } from "../../src/errors/ConnectionError.ts"
import * as ConnectionFactoryLibp2p from "../../src/layers/ConnectionFactoryLibp2p.ts"
import * as Frame from "../../src/protocol/Frame.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import { type Channel, ConnectionFactory } from "../../src/services/ConnectionFactory.ts"
import { RemoteIdentity } from "../../src/services/RemoteIdentity.ts"
import * as RemotesConfig from "../../src/services/RemotesConfig.ts"

const people = {
  alice: { byte: 0xa1, peerId: "12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak" },
  bob: { byte: 0xb2, peerId: "12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E" },
  carol: { byte: 0, peerId: "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN" }
}
const idOf = (name: keyof typeof people) => Either.getOrThrow(PeerId.fromString(people[name].peerId))

const layerIdentity = (name: keyof typeof people) =>
  Layer.mock(RemoteIdentity, {
    peerId: idOf(name),
    incarnationId: name,
    keySeed: Redacted.make(new Uint8Array(32).fill(people[name].byte))
  })

type Options = Parameters<typeof ConnectionFactoryLibp2p.layer>[0]

const layerOf = (name: keyof typeof people, options?: Options) =>
  ConnectionFactoryLibp2p.layer(options).pipe(Layer.provide(layerIdentity(name)))

const start = (name: keyof typeof people, options?: Options) =>
  Effect.map(Layer.build(layerOf(name, options)), Context.get(ConnectionFactory))

const kinds = { tcp: "/ip4/127.0.0.1/tcp/0", ws: "/ip4/127.0.0.1/tcp/0/ws" }
type Kind = keyof typeof kinds

/** Alice dials, Bob listens; a channel of theirs, seen from both sides. */
const pair = (kind: Kind, options: { readonly alice?: Options; readonly bob?: Options } = {}) =>
  Effect.gen(function* () {
    const bob = yield* start("bob", { listen: [kinds[kind]], ...options.bob })
    const alice = yield* start("alice", options.alice)
    const hints = yield* bob.listenAddresses
    const open = Effect.gen(function* () {
      const near = yield* alice.dial(idOf("bob"), hints)
      const far = yield* Effect.flatMap(bob.incoming.take, (incoming) => incoming.accept)
      return { near, far }
    })
    return { alice, bob, hints, open, ...(yield* open) }
  })

const take = (channel: Channel, count: number) =>
  Effect.gen(function* () {
    const frames: Array<Uint8Array> = []
    while (frames.length < count) frames.push(...(yield* channel.receive))
    return frames
  })

const text = (it: string) => new TextEncoder().encode(it)
const bytes = (length: number, seed = 0) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255)

/** Fails where `assert.deepInclude` would write out a difference that never ends. */
const assertError = (error: object, fields: Readonly<Record<string, unknown>>) => {
  for (const [name, value] of Object.entries(fields)) assert.deepStrictEqual(Reflect.get(error, name), value, name)
}

/** Waits for something that libp2p does on its own without an event to await. */
const eventually = (condition: () => boolean | Effect.Effect<boolean>) =>
  Effect.suspend(() => {
    const now = condition()
    return typeof now === "boolean" ? Effect.succeed(now) : now
  }).pipe(Effect.repeat({ until: (it) => it, schedule: Schedule.spaced("10 millis") }), Effect.timeout("5 seconds"))

/** A libp2p node that is none of ours, with default settings. */
const stranger = (
  kind: Kind,
  {
    maxInboundStreams = 32,
    protocols = []
  }: { readonly protocols?: Array<string>; readonly maxInboundStreams?: number } = {}
) =>
  Effect.gen(function* () {
    const node = yield* Effect.acquireRelease(
      Effect.promise(() =>
        createLibp2p({
          addresses: { listen: [kinds[kind]] },
          transports: [tcp(), webSockets()],
          connectionEncrypters: [noise()],
          streamMuxers: [yamux()]
        })
      ),
      (it) => Effect.promise(async () => it.stop())
    )
    yield* Effect.promise(() => node.handle(protocols, () => undefined, { maxInboundStreams }))
    const peer = Either.getOrThrow(PeerId.fromString(node.peerId.toString()))
    return { node, peer, hints: node.getMultiaddrs().map(String) }
  })

/** A TCP server that accepts, counts its open sockets, and says what `onSocket` makes it say. */
const server = (onSocket: (socket: Net.Socket) => void = () => undefined) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly sockets: Set<Net.Socket>; readonly listener: Net.Server }>(
      (resume) => {
        const sockets = new Set<Net.Socket>()
        const listener = Net.createServer((socket) => {
          sockets.add(socket)
          socket
            .on("error", () => undefined)
            .on("close", () => sockets.delete(socket))
            .resume()
          onSocket(socket)
        })
        listener.listen(0, "127.0.0.1", () => {
          const address = listener.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({ port, sockets, listener }))
        })
      }
    ),
    ({ listener, sockets }) =>
      Effect.sync(() => {
        listener.close()
        for (const socket of sockets) socket.destroy()
      })
  )

/** A TCP proxy in front of a listener, which can be frozen. */
const proxy = (listener: string | undefined) =>
  Effect.gen(function* () {
    const target = Number(/tcp\/(\d+)/u.exec(listener ?? "")?.[1])
    const pairs: Array<readonly [Net.Socket, Net.Socket]> = []
    const { port, sockets } = yield* server((socket) => {
      const through = Net.connect(target, "127.0.0.1")
      through.on("error", () => socket.destroy()).on("close", () => socket.destroy())
      socket.on("close", () => through.destroy())
      socket.pipe(through)
      through.pipe(socket)
      pairs.push([socket, through])
    })
    const freeze = () => pairs.forEach(([here, there]) => [here.unpipe(there).pause(), there.unpipe(here).pause()])
    return { port, sockets, accepted: () => pairs.length, freeze }
  })

/** A port at which nobody listens. */
const closedPort = Effect.scoped(Effect.map(server(), ({ port }) => port))

const suffixes = { tcp: "", ws: "/ws" }
const addressOf = (kind: Kind, port: number, name: keyof typeof people) =>
  `/ip4/127.0.0.1/tcp/${port}${suffixes[kind]}/p2p/${idOf(name)}`

/** TCP sockets of this process, listening ones included; timers are left to the runtime, which owns some. */
const openSockets = () => process.getActiveResourcesInfo().filter((it) => it.startsWith("TCP")).length

/** Nothing of an earlier test is counted. */
const noSockets = Effect.suspend(() => eventually(() => openSockets() === 0))

const both = <E>(name: string, test: (kind: Kind) => Effect.Effect<void, E, Scope.Scope>, timeout = 30_000) => {
  for (const kind of ["tcp", "ws"] as const) it.scopedLive(`${name} (${kind})`, () => test(kind), timeout)
}

describe("ConnectionFactoryLibp2p", () => {
  describe("channels", () => {
    both(
      "call back who listens: for frames, for what is there already, and for the end",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        const heard = Effect.async<void>((resume) => far.listen(() => resume(Effect.void)))
        const first = yield* Effect.fork(heard)
        yield* near.send(Frame.encode([text("one")]))
        yield* Fiber.join(first)
        yield* heard
        assert.deepStrictEqual(yield* far.receive, [text("one")])
        const last = yield* Effect.fork(heard)
        yield* near.close
        yield* Fiber.join(last)
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamClosedError")
        yield* heard
      })
    )

    both(
      "carry frames both ways and know their ends",
      Effect.fn(function* (kind) {
        const { bob, far, near } = yield* pair(kind)
        yield* near.send(Frame.encode([text("one"), text("two")]))
        assert.deepStrictEqual(yield* take(far, 2), [text("one"), text("two")])
        yield* far.send(Frame.encode([text("three"), new Uint8Array(0)]))
        assert.deepStrictEqual(yield* take(near, 2), [text("three"), new Uint8Array(0)])
        assert.deepInclude(near, {
          peerId: idOf("bob"),
          direction: "outbound",
          relayed: false,
          protocol: "/effect-remotes/1"
        })
        assert.deepInclude(far, {
          peerId: idOf("alice"),
          direction: "inbound",
          relayed: false,
          protocol: "/effect-remotes/1"
        })
        assert.strictEqual(near.address, (yield* bob.listenAddresses)[0])
        assert.isTrue(far.address.startsWith("/ip4/127.0.0.1/tcp/"))
        assert.deepStrictEqual([near.status(), far.status()], ["open", "open"])
      })
    )

    both(
      "put together a frame that was sent in many pieces",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        const payload = bytes(20_000)
        const frame = Frame.encode([payload])
        for (let at = 0; at < frame.length; at += 333) yield* near.send(frame.slice(at, at + 333))
        assert.deepStrictEqual(yield* take(far, 1), [payload])
      })
    )

    both(
      "lose nothing to a slow reader, and hold the writer back",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        const payloads = Array.from({ length: 12 }, (_, i) => bytes(900_000, i))
        let sent = 0
        const writer = yield* Effect.forEach(
          payloads,
          (payload) =>
            Effect.zipRight(
              near.send(Frame.encode([payload])),
              Effect.sync(() => sent++)
            ),
          { discard: true }
        ).pipe(Effect.fork)
        yield* Effect.sleep("300 millis")
        assert.isBelow(sent, 8)
        assert.strictEqual(far.status(), "open")
        const got: Array<Uint8Array> = []
        while (got.length < payloads.length) {
          got.push(...(yield* far.receive))
          yield* Effect.sleep("20 millis")
        }
        yield* Fiber.join(writer)
        assert.isTrue(payloads.every((payload, i) => Buffer.compare(payload, got[i] ?? text("")) === 0))
        assert.strictEqual(near.status(), "open")
      })
    )

    both(
      "hold back many writes of a writer whose wait is interrupted",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        const write = near.send(Frame.encode([bytes(900_000)]))
        for (let i = 0; i < 6; i++) yield* Effect.timeoutOption(write, "100 millis")
        assert.lengthOf(yield* take(far, 6), 6)
        yield* write
        assert.lengthOf(yield* take(far, 1), 1)
      })
    )
  })

  describe("the end of a channel", () => {
    both(
      "is clean when the peer closes, behind all that it sent",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        yield* near.send(Frame.encode([text("last")]))
        yield* near.close
        yield* near.close
        assert.deepStrictEqual(yield* near.ended, { by: "local", error: undefined })
        assert.deepStrictEqual(yield* far.ended, { by: "remote", clean: true, error: undefined })
        assert.deepStrictEqual(yield* far.receive, [text("last")])
        for (const channel of [near, far]) {
          assert.strictEqual(channel.status(), "closed")
          for (const operation of [channel.receive, channel.send(Frame.encode([text("no")]))]) {
            const error = yield* Effect.flip<void | ReadonlyArray<Uint8Array>, ChannelError, never>(operation)
            assertError(error, { _tag: "StreamClosedError", status: "closed" })
          }
        }
      })
    )

    both(
      "comes behind more than was taken yet",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        const payload = bytes(100_000)
        for (let i = 0; i < 12; i++) yield* near.send(Frame.encode([payload]))
        yield* near.close
        assert.deepStrictEqual(yield* far.ended, { by: "remote", clean: true, error: undefined })
        const got = yield* take(far, 12)
        assert.isTrue(got.every((it) => Buffer.compare(it, payload) === 0))
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamClosedError")
      })
    )

    both(
      "is a reset when the peer aborts",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        const waiting = yield* Effect.fork(Effect.flip(far.receive))
        const error = new Error("enough")
        yield* near.abort(error)
        yield* near.abort(new Error("again"))
        assert.deepStrictEqual(yield* near.ended, { by: "local", error })
        const end = yield* far.ended
        assert.isTrue(end.by === "remote" && !end.clean && end.error?.name === "StreamResetError")
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "StreamResetError")
        assertError(yield* Effect.flip(far.send(Frame.encode([text("no")]))), {
          _tag: "StreamClosedError",
          status: "reset"
        })
        assertError(yield* Effect.flip(near.send(Frame.encode([text("no")]))), {
          _tag: "StreamClosedError",
          status: "aborted"
        })
        assertError(yield* Effect.flip(near.receive), { _tag: "StreamClosedError", status: "aborted" })
      })
    )

    both(
      "is no clean one when the connection just vanishes",
      Effect.fn(function* (kind) {
        const bob = yield* start("bob", { listen: [kinds[kind]] })
        const alice = yield* start("alice")
        const { port, sockets } = yield* proxy((yield* bob.listenAddresses)[0])
        const near = yield* alice.dial(idOf("bob"), [addressOf(kind, port, "bob")])
        const far = yield* Effect.flatMap(bob.incoming.take, ({ accept }) => accept)
        yield* near.send(Frame.encode([text("last")]))
        assert.deepStrictEqual(yield* far.receive, [text("last")])
        for (const socket of sockets) socket.destroy()
        for (const channel of [near, far]) {
          const end = yield* channel.ended
          assert.isTrue(end.by === "remote" && !end.clean)
          assert.strictEqual(channel.status(), "reset")
          assertError(yield* Effect.flip(channel.receive), { _tag: "StreamResetError", peerId: channel.peerId })
        }
      })
    )

    both(
      "keeps frames that came before a reset",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        yield* near.send(Frame.encode([text("a")]))
        yield* far.send(Frame.encode([text("b")]))
        yield* near.receive
        yield* near.abort(new Error("enough"))
        yield* far.ended
        assert.deepStrictEqual(yield* far.receive, [text("a")])
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamResetError")
      })
    )

    both(
      "fails a writer that is held back",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        const payload = Frame.encode([bytes(900_000)])
        const writer = yield* Effect.fork(Effect.flip(Effect.forever(near.send(payload.slice()))))
        yield* Effect.sleep("100 millis")
        yield* far.abort(new Error("enough"))
        assert.strictEqual((yield* Fiber.join(writer))._tag, "StreamResetError")
      })
    )

    both(
      "comes in time although the peer takes nothing",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind, { alice: { closeTimeout: Duration.millis(200) } })
        // More than fits on the way, or a slow machine would have sent it all.
        for (let i = 0; i < 6; i++) yield* Effect.timeoutOption(near.send(Frame.encode([bytes(900_000)])), "50 millis")
        const [took] = yield* Effect.timed(near.close)
        assert.isBelow(Duration.toMillis(took), 1000)
        assert.strictEqual(near.status(), "aborted")
        yield* far.ended
      })
    )

    both(
      "is clean for both although the one that closes has not taken what came",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        const writer = yield* Effect.fork(Effect.exit(Effect.forever(near.send(Frame.encode([bytes(900_000)])))))
        yield* Effect.sleep("100 millis")
        yield* far.close
        assert.deepStrictEqual(yield* far.ended, { by: "local", error: undefined })
        assert.deepStrictEqual(yield* near.ended, { by: "remote", clean: true, error: undefined })
        yield* Fiber.join(writer)
      })
    )

    both(
      "is a violation for a frame over the limit",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind, { bob: { maxFrameSize: 1000 } })
        yield* near.send(Frame.encode([text("good"), new Uint8Array(1001), text("bad")]))
        assert.deepStrictEqual(yield* far.receive, [text("good")])
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "ProtocolViolationError")
        const end = yield* far.ended
        assert.isTrue(end.by === "local" && end.error?.name === "ProtocolViolationError")
        assert.strictEqual((yield* Effect.flip(near.receive))._tag, "StreamResetError")
      })
    )

    both(
      "is a violation inside a frame",
      Effect.fn(function* (kind) {
        const { far, near } = yield* pair(kind)
        yield* near.send(Frame.encode([text("whole"), text("cut")]).subarray(0, 8))
        yield* near.close
        assert.deepStrictEqual(yield* far.receive, [text("whole")])
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "ProtocolViolationError")
      })
    )

    both(
      "leaves no stream behind, a thousand times over",
      Effect.fn(function* (kind) {
        const { alice, bob, hints } = yield* pair(kind)
        const drain = Effect.flatMap(bob.incoming.take, ({ accept }) =>
          Effect.flatMap(accept, (it) => Effect.flip(it.receive))
        )
        yield* Effect.forkScoped(Effect.forever(Effect.scoped(drain)))
        const lives = (length: number) =>
          Effect.forEach(Array.from({ length }), () => Effect.scoped(alice.dial(idOf("bob"), hints)), { discard: true })
        // Streams, connections and signals, which are in memory as long as anything listens or refers to them.
        const targets = () => queryObjects(EventTarget, { format: "count" })
        yield* lives(100)
        const before = targets()
        yield* lives(900)
        yield* eventually(() => targets() < before + 20)
        // One stream is open still and Bob takes 32: with more than two left over, the last of 29 more would be reset.
        const more = yield* Effect.forEach(Array.from({ length: 29 }), () => alice.dial(idOf("bob"), hints))
        assert.isTrue(
          Option.isNone(yield* Effect.timeoutOption(Effect.raceAll(more.map((it) => it.ended)), "200 millis"))
        )
        assert.isTrue(more.every((it) => it.status() === "open"))
      }),
      // A thousand dials take 10 s, on a machine that has nothing else to do.
      120_000
    )
  })

  describe("dial", () => {
    for (const kind of ["tcp", "ws"] as const) {
      it.scopedLive(`says that a port is closed (${kind})`, () =>
        Effect.gen(function* () {
          const alice = yield* start("alice")
          const address = addressOf(kind, yield* closedPort, "bob")
          assertError(yield* Effect.flip(alice.dial(idOf("bob"), [address])), {
            _tag: "DialFailedError",
            code: kind === "tcp" ? "ECONNREFUSED" : "ConnectionFailedError",
            address
          })
        })
      )

      it.scopedLive(`is interrupted at once, and leaves no socket, at a mute server (${kind})`, () =>
        Effect.gen(function* () {
          const { port, sockets } = yield* server()
          const alice = yield* start("alice")
          const dial = yield* Effect.fork(Effect.scoped(alice.dial(idOf("bob"), [addressOf(kind, port, "bob")])))
          yield* eventually(() => sockets.size === 1)
          const [took] = yield* Effect.timed(Fiber.interrupt(dial))
          assert.isBelow(Duration.toMillis(took), 200)
          yield* eventually(() => sockets.size === 0)
        })
      )

      it.scopedLive(`gives up a mute server at its deadline, and leaves no socket (${kind})`, () =>
        Effect.gen(function* () {
          const { port, sockets } = yield* server()
          const timeout = Duration.millis(150)
          const alice = yield* start("alice", { dialTimeout: timeout })
          const address = addressOf(kind, port, "bob")
          const [took, error] = yield* Effect.timed(Effect.flip(alice.dial(idOf("bob"), [address])))
          assertError(error, { _tag: "DialTimeoutError", address, timeout })
          assert.isBelow(Duration.toMillis(took), 1000)
          yield* eventually(() => sockets.size === 0)
        })
      )

      it.scopedLive(`refuses another peer than the one asked for, and leaves no connection (${kind})`, () =>
        Effect.gen(function* () {
          yield* noSockets
          const bob = yield* start("bob", { listen: [kinds[kind]] })
          const alice = yield* start("alice")
          const [hint = ""] = yield* bob.listenAddresses
          const address = hint.replace(idOf("bob"), idOf("carol"))
          const error = yield* Effect.flip(alice.dial(idOf("carol"), [address]))
          assertError(error, { _tag: "DialFailedError", code: "EncryptionFailedError", address })
          yield* eventually(() => openSockets() === 1)
        })
      )

      it.scopedLive(`closes the connection of a peer that does not speak our protocol (${kind})`, () =>
        Effect.gen(function* () {
          const { hints, node, peer } = yield* stranger(kind)
          const alice = yield* start("alice")
          const error = yield* Effect.flip(alice.dial(peer, hints))
          assertError(error, { _tag: "DialFailedError", code: "UnsupportedProtocolError" })
          yield* eventually(() => node.getConnections().length === 0)
        })
      )
    }

    it.scopedLive("settles on the protocol of an ocap-kernel where ours is not spoken", () =>
      Effect.gen(function* () {
        const { far, near } = yield* pair("tcp", { bob: { protocols: ["whatever"] } })
        assert.deepStrictEqual([near.protocol, far.protocol], ["whatever", "whatever"])
      })
    )

    it.scopedLive("fails without an address", () =>
      Effect.gen(function* () {
        const alice = yield* start("alice")
        for (const hints of [[], ["nonsense", "/ip4/1.2.3.4", "/ip4/127.0.0.1/tcp/1"]]) {
          assertError(yield* Effect.flip(alice.dial(idOf("bob"), hints)), {
            _tag: "NoAddressError",
            peerId: idOf("bob")
          })
        }
      })
    )

    it.scopedLive("uses an open connection, also without hints, and remembers the address that worked", () =>
      Effect.gen(function* () {
        const { alice, bob, hints, near } = yield* pair("tcp")
        const back = yield* bob.dial(idOf("alice"), [])
        const again = yield* alice.dial(idOf("bob"), ["nonsense"])
        assert.deepStrictEqual([back.status(), again.status()], ["open", "open"])
        assert.strictEqual(near.address, again.address)
        assert.deepStrictEqual(hints, [near.address])
      })
    )

    it.scopedLive("is held up by a mute address only for a moment", () =>
      Effect.gen(function* () {
        const { port, sockets } = yield* server()
        const bob = yield* start("bob", { listen: [kinds.tcp] })
        const alice = yield* start("alice", { dialStagger: Duration.millis(50) })
        const hints = [addressOf("tcp", port, "bob"), ...(yield* bob.listenAddresses)]
        const [took, channel] = yield* Effect.timed(alice.dial(idOf("bob"), hints))
        assert.strictEqual(channel.address, hints[1])
        assert.isBelow(Duration.toMillis(took), 2000)
        yield* eventually(() => sockets.size === 0)
      })
    )

    it.scopedLive("goes on to the next address at once when one is refused", () =>
      Effect.gen(function* () {
        const bob = yield* start("bob", { listen: [kinds.tcp] })
        const alice = yield* start("alice", { dialStagger: Duration.seconds(20) })
        const hints = [addressOf("tcp", yield* closedPort, "bob"), ...(yield* bob.listenAddresses)]
        assert.strictEqual((yield* alice.dial(idOf("bob"), hints)).address, hints[1])
      })
    )

    it.scopedLive("shares a connection with dials at the same time, and one interrupted leaves it to the others", () =>
      Effect.gen(function* () {
        const bob = yield* start("bob", { listen: [kinds.tcp] })
        const alice = yield* start("alice")
        const { accepted, port } = yield* proxy((yield* bob.listenAddresses)[0])
        const dial = alice.dial(idOf("bob"), [addressOf("tcp", port, "bob")])
        const doomed = yield* Effect.fork(dial)
        const fibers = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.fork(dial))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(doomed)
        const channels = yield* Effect.forEach(fibers, Fiber.join)
        assert.isTrue(channels.every((it) => it.status() === "open"))
        assert.strictEqual(accepted(), 1)
      })
    )

    it.scopedLive("ends at once when there are too many streams", () =>
      Effect.gen(function* () {
        const { peer, hints } = yield* stranger("tcp", { protocols: ["whatever"], maxInboundStreams: 200 })
        const alice = yield* start("alice", { closeTimeout: Duration.millis(5) })
        yield* Effect.forEach(Array.from({ length: 64 }), () => alice.dial(peer, hints), { discard: true })
        const [took, error] = yield* Effect.timed(Effect.flip(Effect.asVoid(alice.dial(peer, hints))))
        assertError(error, { _tag: "TooManyOutboundProtocolStreamsError", peerId: peer })
        assert.isBelow(Duration.toMillis(took), 1000)
      })
    )

    it.scopedLive("leaves nothing open, whenever it is interrupted", () =>
      Effect.gen(function* () {
        yield* noSockets
        const bob = yield* start("bob", { listen: [kinds.tcp] })
        const alice = yield* start("alice")
        const hints = yield* bob.listenAddresses
        for (let millis = 0; millis < 40; millis++) {
          const dial = yield* Effect.fork(Effect.scoped(Effect.zipRight(alice.dial(idOf("bob"), hints), Effect.never)))
          yield* Effect.sleep(millis / 2)
          yield* Fiber.interrupt(dial)
        }
        // A dial that got its channel keeps the connection for the next; the rest has gone.
        yield* eventually(() => openSockets() <= 3)
        const channel = yield* alice.dial(idOf("bob"), hints)
        assert.strictEqual(channel.status(), "open")
      })
    )

    it.scopedLive("does not go to strangers over plain WebSockets unless told so", () =>
      Effect.gen(function* () {
        const alice = yield* start("alice")
        const address = `/ip4/203.0.113.1/tcp/1/ws/p2p/${idOf("bob")}`
        assertError(yield* Effect.flip(alice.dial(idOf("bob"), [address])), {
          _tag: "DialFailedError",
          code: "DialDeniedError",
          address
        })
        // Not private, but of this machine.
        const own = `/ip4/0.0.0.0/tcp/${yield* closedPort}/ws/p2p/${idOf("bob")}`
        assertError(yield* Effect.flip(alice.dial(idOf("bob"), [own])), { code: "DialDeniedError" })
        const carol = yield* start("carol", { allowedWsHosts: ["0.0.0.0"] })
        assertError(yield* Effect.flip(carol.dial(idOf("bob"), [own])), { code: "ConnectionFailedError" })
      })
    )
  })

  describe("incoming", () => {
    both(
      "refuses a channel",
      Effect.fn(function* (kind) {
        const { alice, bob, hints } = yield* pair(kind)
        const near = yield* alice.dial(idOf("bob"), hints)
        const incoming = yield* bob.incoming.take
        assert.strictEqual(incoming.peerId, idOf("alice"))
        yield* incoming.refuse(new Error("no"))
        assert.strictEqual((yield* Effect.flip(near.receive))._tag, "StreamResetError")
      })
    )

    both(
      "keeps what was said on a channel before it was taken",
      Effect.fn(function* (kind) {
        const { alice, bob, hints } = yield* pair(kind)
        const near = yield* alice.dial(idOf("bob"), hints)
        yield* near.send(Frame.encode([text("early")]))
        yield* near.close
        const far = yield* Effect.flatMap(bob.incoming.take, ({ accept }) => accept)
        assert.deepStrictEqual(yield* far.receive, [text("early")])
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamClosedError")
      })
    )

    it.scopedLive("closes a channel with the scope that accepted it", () =>
      Effect.gen(function* () {
        const { alice, bob, hints } = yield* pair("tcp")
        const near = yield* alice.dial(idOf("bob"), hints)
        yield* Effect.scoped(Effect.flatMap(bob.incoming.take, ({ accept }) => accept))
        assert.deepStrictEqual(yield* near.ended, { by: "remote", clean: true, error: undefined })
      })
    )
  })

  describe("start", () => {
    it.effect("names the port that is in use", () =>
      Effect.gen(function* () {
        const { port } = yield* server()
        for (const kind of ["tcp", "ws"] as const) {
          const address = `/ip4/127.0.0.1/tcp/${port}${suffixes[kind]}`
          const error = yield* Effect.flip(Effect.scoped(start("alice", { listen: [kinds.tcp, address] })))
          assertError(error, { _tag: "ListenError", address, code: "EADDRINUSE" })
        }
      }).pipe(Effect.scoped)
    )

    it.effect("names the address that is none", () =>
      Effect.gen(function* () {
        for (const address of ["nonsense", "/ip4/127.0.0.1/udp/0", "/ip4/127.0.0.1/udp/0/quic-v1"]) {
          const error = yield* Effect.flip(Effect.scoped(start("alice", { listen: [kinds.tcp, address] })))
          assertError(error, { _tag: "InvalidAddressError", address })
        }
      })
    )

    it.effect("names every wrong option", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          Effect.scoped(
            start("alice", { dialTimeout: Duration.infinity, closeTimeout: Duration.zero, maxFrameSize: 0 })
          )
        )
        assertError(error, {
          _tag: "InvalidOptionsError",
          problems: [
            "dialTimeout must be a finite duration of at least 1 ms, but is infinite",
            "closeTimeout must be a finite duration of at least 1 ms, but is 0",
            "maxFrameSize must be a whole number from 1 on, but is 0"
          ]
        })
      })
    )

    it.scopedLive("listens at every address, with its own peer id", () =>
      Effect.gen(function* () {
        const alice = yield* start("alice", { listen: [kinds.tcp, kinds.ws] })
        const addresses = yield* alice.listenAddresses
        assert.strictEqual(alice.localPeerId, idOf("alice"))
        assert.isTrue(addresses.length === 2 && addresses.every((it) => it.endsWith(`/p2p/${idOf("alice")}`)))
      })
    )
  })

  describe("stop", () => {
    for (const kind of ["tcp", "ws"] as const) {
      for (const who of ["dialer", "listener"] as const) {
        it.scopedLive(`gives the peer all that was sent and a clean end, and leaves nothing: ${who} (${kind})`, () =>
          Effect.gen(function* () {
            yield* noSockets
            const scopes = { alice: yield* Scope.make(), bob: yield* Scope.make() }
            const bob = yield* Scope.extend(start("bob", { listen: [kinds[kind]] }), scopes.bob)
            const alice = yield* Scope.extend(start("alice"), scopes.alice)
            const outer = yield* Scope.make()
            const near = yield* Scope.extend(alice.dial(idOf("bob"), yield* bob.listenAddresses), outer)
            const far = yield* Scope.extend(
              Effect.flatMap(bob.incoming.take, ({ accept }) => accept),
              outer
            )
            const [here, there] = who === "dialer" ? [near, far] : [far, near]
            yield* here.send(Frame.encode([bytes(200_000)]))
            const scope = who === "dialer" ? scopes.alice : scopes.bob
            const [took] = yield* Effect.timed(Scope.close(scope, Exit.void))
            assert.isBelow(Duration.toMillis(took), 2000)
            assert.deepStrictEqual(yield* there.ended, { by: "remote", clean: true, error: undefined })
            assert.deepStrictEqual(yield* take(there, 1), [bytes(200_000)])
            assert.strictEqual((yield* Effect.flip(there.receive))._tag, "StreamClosedError")
            const factory = who === "dialer" ? alice : bob
            assert.strictEqual(
              (yield* Effect.flip(Effect.scoped(factory.dial(idOf("carol"), []))))._tag,
              "NetworkStoppedError"
            )
            yield* Scope.close(outer, Exit.void)
            yield* Scope.close(who === "dialer" ? scopes.bob : scopes.alice, Exit.void)
            yield* noSockets
          })
        )
      }
    }

    both(
      "takes only a moment, also right after the peer's",
      Effect.fn(function* (kind) {
        for (let i = 0; i < 5; i++) {
          const scopes = [yield* Scope.make(), yield* Scope.make()] as const
          const bob = yield* Scope.extend(start("bob", { listen: [kinds[kind]] }), scopes[1])
          const alice = yield* Scope.extend(start("alice"), scopes[0])
          const near = yield* Scope.extend(alice.dial(idOf("bob"), yield* bob.listenAddresses), scopes[0])
          const far = yield* Scope.extend(
            Effect.flatMap(bob.incoming.take, ({ accept }) => accept),
            scopes[1]
          )
          yield* near.abort(new Error("enough"))
          yield* far.ended
          const [took] = yield* Effect.timed(Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void)))
          assert.isBelow(Duration.toMillis(took), 500)
        }
      })
    )

    it.scopedLive("ends a dial under way and aborts a channel that nobody took", () =>
      Effect.gen(function* () {
        const { port, sockets } = yield* server()
        const scope = yield* Scope.make()
        const bob = yield* Scope.extend(start("bob", { listen: [kinds.tcp] }), scope)
        const alice = yield* start("alice")
        const near = yield* alice.dial(idOf("bob"), yield* bob.listenAddresses)
        yield* eventually(() => Effect.map(bob.incoming.size, (it) => it._tag === "Some" && it.value === 1))
        const dial = yield* Effect.fork(Effect.flip(bob.dial(idOf("carol"), [addressOf("tcp", port, "carol")])))
        yield* eventually(() => sockets.size === 1)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* Fiber.join(dial))._tag, "NetworkStoppedError")
        const end = yield* near.ended
        assert.isTrue(end.by === "remote" && !end.clean)
        yield* eventually(() => sockets.size === 0)
      })
    )

    it.scopedLive("tells of a peer that has gone, and not of its own end", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const bob = yield* start("bob", { listen: [kinds.tcp] })
        const alice = yield* Scope.extend(start("alice"), scope)
        yield* alice.dial(idOf("bob"), yield* bob.listenAddresses)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* bob.disconnected.take, idOf("alice"))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(alice.disconnected.take)))
      })
    )

    const itsOwn = (scope: Scope.Scope) => Scope.extend(start("alice", { stopTimeout: Duration.seconds(1) }), scope)
    const ofAll = (scope: Scope.Scope) =>
      Scope.extend(start("alice"), scope).pipe(Effect.provide(RemotesConfig.layer({ stopTimeout: "1 second" })))
    it.scopedLive.each([
      { whose: "its deadline", startAlice: itsOwn },
      { whose: "the deadline for all", startAlice: ofAll }
    ])("takes no longer than $whose although a peer is mute", ({ startAlice }) =>
      Effect.gen(function* () {
        const bob = yield* start("bob", { listen: [kinds.tcp] })
        const { freeze, port, sockets } = yield* proxy((yield* bob.listenAddresses)[0])
        const scope = yield* Scope.make()
        const alice = yield* startAlice(scope)
        const channel = yield* Scope.extend(alice.dial(idOf("bob"), [addressOf("tcp", port, "bob")]), scope)
        freeze()
        const writer = yield* Effect.fork(Effect.exit(Effect.forever(channel.send(Frame.encode([bytes(900_000)])))))
        yield* Effect.sleep("50 millis")
        const [took] = yield* Effect.timed(Scope.close(scope, Exit.void))
        assert.isBelow(Duration.toMillis(took), 1900)
        yield* Fiber.join(writer)
        for (const socket of sockets) socket.resume()
        yield* eventually(() => sockets.size === 0)
      })
    )
  })
})

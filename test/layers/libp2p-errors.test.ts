import { assert, describe, it } from "@effect/vitest"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { circuitRelayTransport } from "@libp2p/circuit-relay-v2"
import { identify } from "@libp2p/identify"
import type { Connection } from "@libp2p/interface"
import { tcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { createLibp2p, type Libp2pOptions } from "libp2p"
import * as ConnectionFactoryLibp2p from "../../src/layers/ConnectionFactoryLibp2p.ts"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as Errors from "../../src/layers/libp2p/errors.ts"
import * as Frame from "../../src/protocol/Frame.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import { ConnectionFactory } from "../../src/services/ConnectionFactory.ts"
import { closedPort, eventually, server, startRelay } from "../support/libp2pKernel.ts"

const listen = "/ip4/127.0.0.1/tcp/0"

const start = (options: typeof ConnectionFactoryLibp2p.Options.Encoded = {}) =>
  ConnectionFactoryLibp2p.layer(options).pipe(
    Layer.provide(RemoteIdentityStored.layer()),
    Layer.provide(RemoteStoreMemory.layer),
    Layer.build,
    Effect.map(Context.get(ConnectionFactory))
  )

/** A libp2p node that is none of ours. */
const stranger = (options: Libp2pOptions = {}) =>
  Effect.gen(function* () {
    const node = yield* Effect.acquireRelease(
      Effect.promise(() =>
        createLibp2p({
          addresses: { listen: [listen] },
          transports: [tcp()],
          connectionEncrypters: [noise()],
          streamMuxers: [yamux()],
          ...options
        })
      ),
      (it) => Effect.promise(async () => it.stop())
    )
    const peer = Either.getOrThrow(PeerId.fromString(node.peerId.toString()))
    return { node, peer, hints: node.getMultiaddrs().map(String) }
  })

const dialError = (factory: ConnectionFactory["Type"], peer: PeerId.PeerId, hints: ReadonlyArray<string>) =>
  Effect.scoped(Effect.flip(factory.dial(peer, hints)))

const isMethod = (it: unknown): it is () => unknown => typeof it === "function"

/** Calls what libp2p does not show of a connection: its muxer. */
const callMuxer = (connection: Connection, method: string) => {
  const muxer: unknown = Reflect.get(connection, "muxer")
  assert(typeof muxer === "object" && muxer !== null)
  const call: unknown = Reflect.get(muxer, method)
  assert(isMethod(call))
  return Effect.tryPromise({
    try: async (): Promise<unknown> => Reflect.apply(call, muxer, []),
    catch: (cause) => cause
  })
}

const errorOf = (error: object) => {
  const { _tag, code } = { _tag: "", code: undefined, ...error }
  return code === undefined ? _tag : [_tag, code]
}

describe("errors of real libp2p", () => {
  it.scopedLive("a muxer that is closing under a dial: MuxerClosedError", () =>
    Effect.gen(function* () {
      const { hints, peer } = yield* stranger()
      const { node } = yield* stranger()
      const toDialError = Errors.toDialError(peer, "/there")
      const dialed = yield* Effect.promise(() => node.dial(multiaddr(hints[0])))
      yield* callMuxer(dialed, "sendGoAway")
      const refused = yield* Effect.flip(callMuxer(dialed, "createStream"))
      const closing = yield* Effect.promise(() => node.dial(multiaddr(hints[0]), { force: true }))
      yield* callMuxer(closing, "close")
      const gone = yield* Effect.flip(
        Effect.tryPromise({ try: () => closing.newStream("whatever"), catch: (cause) => cause })
      )
      for (const [thrown, name] of [
        [refused, "MuxerClosedError"],
        [gone, "ConnectionClosedError"]
      ] as const) {
        assert.strictEqual(thrown instanceof Error && thrown.name, name)
        assert.deepStrictEqual(errorOf(toDialError(thrown)), "MuxerClosedError")
        assert.strictEqual(Reflect.get(toDialError(thrown), "cause"), thrown)
      }
    })
  )

  it.scopedLive(
    "a connection that ends before there is a stream on it: DialFailedError, and nothing is left of it",
    () =>
      Effect.gen(function* () {
        const alice = yield* start()
        const { hints, node, peer } = yield* stranger({ connectionManager: { inboundConnectionThreshold: 100 } })
        node.addEventListener("connection:open", ({ detail }) => Effect.runFork(callMuxer(detail, "sendGoAway")))
        for (let i = 0; i < 10; i++) {
          assert.include(["DialFailedError", "MuxerClosedError"], (yield* dialError(alice, peer, hints))._tag)
        }
        yield* eventually(Effect.sync(() => node.getConnections().length === 0))
      })
  )

  it.scopedLive("as many streams as one may have: TooManyOutboundProtocolStreamsError", () =>
    Effect.gen(function* () {
      const alice = yield* start({ closeTimeout: Duration.millis(5) })
      const { hints, node, peer } = yield* stranger()
      yield* Effect.promise(() => node.handle("whatever", () => undefined, { maxInboundStreams: 200 }))
      yield* Effect.forEach(Array.from({ length: 64 }), () => alice.dial(peer, hints), { discard: true })
      assert.deepStrictEqual(errorOf(yield* dialError(alice, peer, hints)), "TooManyOutboundProtocolStreamsError")
    })
  )

  it.scopedLive("a stream more than the peer takes, and one that its handler fails on: StreamResetError", () =>
    Effect.gen(function* () {
      const alice = yield* start()
      const full = yield* stranger()
      yield* Effect.promise(() => full.node.handle("whatever", () => undefined, { maxInboundStreams: 1 }))
      const failing = yield* stranger()
      yield* Effect.promise(() => failing.node.handle("whatever", () => Promise.reject(new Error("no"))))
      yield* alice.dial(full.peer, full.hints)
      for (const { hints, peer } of [full, failing]) {
        const channel = yield* alice.dial(peer, hints)
        assert.deepStrictEqual(errorOf(yield* Effect.flip(channel.receive)), "StreamResetError")
        const write = channel.send(Frame.encode([new Uint8Array(1)]))
        const error = yield* Effect.flip(write)
        assert(error._tag === "StreamClosedError")
        assert.strictEqual(error.status, "reset")
      }
    })
  )

  it.scopedLive(
    "a peer that is reached through a relay with limits and does not care to talk there: StreamResetError",
    () =>
      Effect.gen(function* () {
        const relay = yield* startRelay()
        const alice = yield* start()
        const { node, peer } = yield* stranger({
          addresses: { listen: [`${relay.address}/p2p-circuit`] },
          transports: [tcp(), circuitRelayTransport()],
          services: { identify: identify() }
        })
        yield* Effect.promise(() => node.handle("whatever", () => undefined))
        yield* eventually(Effect.map(relay.server.reservations, (all) => all.includes(peer)))
        const channel = yield* alice.dial(peer, [relay.address])
        assert.deepStrictEqual(errorOf(yield* Effect.flip(channel.receive)), "StreamResetError")
      })
  )

  it.scopedLive("everything else that keeps from connecting: DialFailedError, with libp2p's word for it", () =>
    Effect.gen(function* () {
      const alice = yield* start()
      const { hints, peer } = yield* stranger()
      const { port: hangsUp } = yield* server((socket) => socket.destroy())
      const { port: raves } = yield* server((socket) => socket.end("220 mail.example.org ESMTP\r\n"))
      const relay = yield* startRelay()
      const address = (port: number) => `/ip4/127.0.0.1/tcp/${port}/p2p/${peer}`
      const cases = [
        [address(yield* closedPort), "ECONNREFUSED"],
        [address(hangsUp), "EncryptionFailedError"],
        [address(raves), "EncryptionFailedError"],
        [`/ip4/127.0.0.1/udp/1/quic-v1/p2p/${peer}`, "TransportUnavailableError"],
        [relay.address, "NO_RESERVATION"],
        [hints[0] ?? "", "UnsupportedProtocolError"]
      ] as const
      for (const [hint, code] of cases) {
        const error = yield* dialError(alice, peer, [hint])
        assert.deepStrictEqual(errorOf(error), ["DialFailedError", code], hint)
        assert.isDefined(Reflect.get(error, "cause"), hint)
      }
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { RELAY_V2_STOP_CODEC } from "@libp2p/circuit-relay-v2"
import { tcp as libp2pTcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { createLibp2p } from "libp2p"
import * as ConnectionFactoryLibp2p from "../../src/layers/ConnectionFactoryLibp2p.ts"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import { ConnectionFactory } from "../../src/services/ConnectionFactory.ts"
import { numbered, seeds, sendAll } from "../support/kernel.ts"
import {
  closedPort,
  deliverAll,
  eventually,
  type Kernel,
  portOf,
  proxy,
  reserved,
  server,
  startKernel,
  startRelay
} from "../support/libp2pKernel.ts"

const tcp = "/ip4/127.0.0.1/tcp/0"
const carolId = Either.getOrThrow(PeerId.fromString("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"))
const relayId = "12D3KooWJX11sa7vuW1Q1pMMA8j76s8QbTGtEcudsUwGHE5hvMbs"

/** How often the link from one kernel to another has lost its channel since. */
const countLosses = (from: Kernel, to: Kernel) =>
  Effect.gen(function* () {
    let losses = 0
    const link = yield* from.transport.link(to.peerId)
    yield* link.changes.pipe(
      Stream.runForEach(({ _tag }) => Effect.sync(() => void (_tag === "BackingOff" && losses++))),
      Effect.forkScoped
    )
    return () => losses
  })

/** A libp2p node that is none of ours. */
const stranger = Effect.acquireRelease(
  Effect.promise(() =>
    createLibp2p({ transports: [libp2pTcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })
  ),
  (node) => Effect.promise(async () => node.stop())
)

const isRelayed = (kernel: Kernel, peer: Kernel) =>
  Effect.map(kernel.transport.peers, (peers) =>
    peers.some(({ peerId, state }) => peerId === peer.peerId && state._tag === "Open" && state.relayed)
  )

describe("relays", () => {
  it.scopedLive("two kernels that only a relay connects exchange messages, each way", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay()
      const alice = yield* startKernel("alice", { factory: { relays: [relay.address] } })
      const bob = yield* startKernel("bob", { factory: { relays: [relay.address] } })
      yield* Effect.all([reserved(alice, relay.address), reserved(bob, relay.address)])
      assert.sameMembers([...(yield* relay.server.reservations)], [alice.peerId, bob.peerId])
      yield* deliverAll(alice, bob, numbered(1, 50), yield* bob.addresses)
      yield* deliverAll(bob, alice, [...numbered(1, 50), "x".repeat(900_000)])
      assert.deepStrictEqual(bob.received, numbered(1, 50))
      assert.deepStrictEqual(alice.received, [...numbered(1, 50), "x".repeat(900_000)])
      assert.isTrue(yield* isRelayed(alice, bob))
      assert.isTrue(yield* isRelayed(bob, alice))
    })
  )

  it.scopedLive("a kernel finds another one at a relay that only the hint names, and at one that both know", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay()
      const bob = yield* startKernel("bob", { factory: { relays: [relay.address] } })
      yield* reserved(bob, relay.address)
      const alice = yield* startKernel("alice")
      yield* deliverAll(alice, bob, ["hinted"], [relay.address])
      const carol = yield* startKernel("carol", { factory: { relays: [relay.address] } })
      yield* deliverAll(carol, bob, ["known"])
      assert.deepStrictEqual(bob.received, ["hinted", "known"])
    })
  )

  it.scopedLive("messages flow again after the relay was killed and has come back with its key", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay()
      const factory = { relays: [relay.address] }
      const alice = yield* startKernel("alice", { factory })
      const bob = yield* startKernel("bob", { factory })
      yield* Effect.all([reserved(alice, relay.address), reserved(bob, relay.address)])
      yield* deliverAll(alice, bob, ["before"], yield* bob.addresses)
      yield* relay.stop
      yield* eventually(Effect.map(bob.addresses, (all) => all.length === 0))
      const handle = yield* alice.remotes.get(bob.peerId)
      const [receipt] = yield* sendAll(handle, ["meanwhile"])
      const again = yield* startRelay(relay.port)
      assert.strictEqual(again.address, relay.address)
      yield* reserved(bob, relay.address, "8 seconds")
      yield* receipt!.acknowledged.pipe(Effect.timeout("15 seconds"))
      yield* deliverAll(bob, alice, ["after"]).pipe(Effect.timeout("10 seconds"))
      assert.deepStrictEqual(bob.received, ["before", "meanwhile"])
      assert.deepStrictEqual(alice.received, ["after"])
    })
  )

  it.scopedLive("a wake from sleep lets a lost relay be tried at once", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay()
      const bob = yield* startKernel("bob", { factory: { relays: [relay.address] } })
      yield* reserved(bob, relay.address)
      for (let round = 0; round < 3; round++) {
        yield* Effect.flatMap(startRelay(), (other) => other.stop)
        yield* relay.stop
        yield* eventually(Effect.map(bob.addresses, (all) => all.length === 0))
        const again = yield* startRelay(relay.port)
        yield* bob.transport.resetAllBackoffs
        yield* reserved(bob, relay.address, "1 second")
        yield* again.stop
      }
    })
  )

  it.scopedLive("relays that are out of reach, mute or malformed do not hold up a start, or a stop", () =>
    Effect.gen(function* () {
      const mute = yield* server()
      const relays = [
        `/ip4/127.0.0.1/tcp/${yield* closedPort}/p2p/${relayId}`,
        `/ip4/127.0.0.1/tcp/${mute.port}`,
        "nonsense",
        "/ip4/999.1.1.1/tcp/1",
        "/p2p-circuit"
      ]
      const [took, bob] = yield* Effect.timed(startKernel("bob", { factory: { relays, listen: [tcp] } }))
      assert.isBelow(Duration.toMillis(took), 1000)
      yield* eventually(Effect.sync(() => mute.sockets.size === 1))
      const alice = yield* startKernel("alice")
      yield* deliverAll(alice, bob, ["direct"], yield* bob.addresses)
      const [stopping] = yield* Effect.timed(bob.stop)
      assert.isBelow(Duration.toMillis(stopping), 1500)
      yield* eventually(Effect.sync(() => mute.sockets.size === 0))
    })
  )

  it.scopedLive("a place is there with a relay whose peer id is not told, and with one that two addresses name", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay(0, { listen: [tcp, `${tcp}/ws`] })
      const all = yield* relay.server.addresses
      const nameless = all.map((it) => it.replace(/\/p2p\/.*/u, ""))
      const alice = yield* startKernel("alice", { factory: { relays: nameless.slice(0, 1) } })
      const bob = yield* startKernel("bob", { factory: { relays: all } })
      yield* Effect.all([reserved(alice, relay.address), reserved(bob, relay.address)])
      assert.sameMembers(
        [...(yield* bob.addresses)],
        all.map((it) => `${it}/p2p-circuit/p2p/${bob.peerId}`)
      )
      yield* deliverAll(alice, bob, ["hello"])
      assert.deepStrictEqual(bob.received, ["hello"])
    })
  )

  it.scopedLive("a relay that did not speak the relay protocol at first is asked again", () =>
    Effect.gen(function* () {
      const stranger = yield* startKernel("carol", { factory: { listen: [tcp] } })
      const [address = ""] = yield* stranger.addresses
      const bob = yield* startKernel("bob", { factory: { relays: [address] } })
      yield* eventually(Effect.map(bob.transport.resetAllBackoffs, () => false)).pipe(
        Effect.timeoutOption("300 millis")
      )
      yield* stranger.stop
      yield* startRelay(portOf(address), { keySeed: Redacted.make(seeds.carol) })
      yield* eventually(
        Effect.zipRight(
          bob.transport.resetAllBackoffs,
          Effect.map(bob.addresses, (all) => all.length === 1)
        )
      )
    })
  )

  it.scopedLive("messages arrive once and in order although the relay cuts each connection short", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay(0, { maxConnectionBytes: 131_072 })
      const factory = { relays: [relay.address] }
      const config = { reconnectBaseDelay: Duration.millis(20) }
      const alice = yield* startKernel("alice", { factory, config })
      const bob = yield* startKernel("bob", { factory, config })
      yield* Effect.all([reserved(alice, relay.address), reserved(bob, relay.address)])
      const bodies = numbered(1, 20).map((it) => it.padEnd(20_000))
      const cuts = yield* countLosses(alice, bob)
      yield* deliverAll(alice, bob, bodies).pipe(Effect.timeout("20 seconds"))
      assert.deepStrictEqual(bob.received, bodies)
      assert.isAbove(cuts(), 1)
    })
  )

  it.scopedLive("nobody but a relay with a place of ours can have others connect to us, or have us reserve there", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay()
      const bob = yield* startKernel("bob", { factory: { listen: [tcp], relays: [relay.address] } })
      yield* reserved(bob, relay.address)
      const rogue = yield* startRelay(0, { keySeed: Redacted.make(seeds.carol) })
      const alice = yield* startKernel("alice")
      const error = yield* Effect.scoped(Effect.flip(alice.factory.dial(bob.peerId, [rogue.address])))
      assert(error._tag === "DialFailedError")
      assert.strictEqual(error.code, "NO_RESERVATION")
      const node = yield* stranger
      const [direct = ""] = (yield* bob.addresses).filter((it) => !it.includes("p2p-circuit"))
      const stream = yield* Effect.tryPromise(() => node.dialProtocol(multiaddr(direct), RELAY_V2_STOP_CODEC))
      yield* eventually(Effect.sync(() => stream.status !== "open"))
      assert.strictEqual(stream.status, "reset")
      assert.lengthOf(yield* bob.addresses, 2)
    })
  )

  it.scopedLive(
    "a relay that was learned from a URL is named in our own URLs, and never dialed as a relay of ours",
    () =>
      Effect.gen(function* () {
        let dials = 0
        const { port } = yield* server(() => dials++)
        const learned = `/ip4/127.0.0.1/tcp/${port}/p2p/${relayId}`
        const bob = yield* startKernel("bob", { factory: { listen: [tcp] } })
        const disk = RemoteStoreMemory.makeDisk()
        const first = yield* startKernel("alice", { disk, factory: { listen: [tcp] } })
        yield* deliverAll(first, bob, ["1"], yield* bob.addresses)
        yield* first.remotes.redeemOcapUrl(`${yield* bob.remotes.issueOcapUrl("ko1")},${learned}`)
        assert.include(yield* first.remotes.issueOcapUrl("ko2"), `,${learned}`)
        yield* first.stop
        const second = yield* startKernel("alice", { disk, factory: { listen: [tcp] } })
        yield* deliverAll(second, bob, ["2"])
        assert.include(yield* second.remotes.issueOcapUrl("ko2"), `,${learned}`)
        assert.strictEqual(dials, 0)
      })
  )

  it.scopedLive("the connection to a relay that a dial needed is let go some time after the last of them", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay()
      const bob = yield* startKernel("bob", { factory: { relays: [relay.address] } })
      yield* reserved(bob, relay.address)
      const { port, sockets } = yield* proxy(relay.port)
      const hint = relay.address.replace(`tcp/${relay.port}`, `tcp/${port}`)
      const alice = yield* startKernel("alice")
      const failed = yield* Effect.scoped(Effect.flip(alice.factory.dial(carolId, [hint])))
      assert.strictEqual(failed._tag === "DialFailedError" && failed.code, "NO_RESERVATION")
      yield* eventually(Effect.sync(() => sockets.size === 0))
      const channel = yield* alice.factory.dial(bob.peerId, [hint])
      assert.isTrue(channel.relayed)
      assert.strictEqual(channel.address, `${hint}/p2p-circuit/p2p/${bob.peerId}`)
      assert.strictEqual(sockets.size, 1)
      yield* bob.stop
      yield* eventually(Effect.sync(() => sockets.size === 0))
    })
  )

  it.scopedLive("neither a relay nor a stranger counts as a peer that has gone", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay()
      const layer = ConnectionFactoryLibp2p.layer({ listen: [tcp], relays: [relay.address] }).pipe(
        Layer.provide(RemoteIdentityStored.layer()),
        Layer.provide(RemoteStoreMemory.layer)
      )
      const bob = Context.get(yield* Layer.build(layer), ConnectionFactory)
      yield* eventually(Effect.map(bob.listenAddresses, (all) => all.length === 2))
      const hints = yield* bob.listenAddresses
      const node = yield* stranger
      yield* Effect.promise(async () => {
        const connection = await node.dial(multiaddr(hints[0]))
        await connection.close()
      })
      yield* relay.stop
      yield* eventually(Effect.map(bob.listenAddresses, (all) => all.length === 1))
      const friend = yield* startKernel("alice")
      yield* Effect.scoped(friend.factory.dial(bob.localPeerId, hints))
      yield* friend.stop
      assert.strictEqual(yield* bob.disconnected.take, friend.peerId)
    })
  )
})

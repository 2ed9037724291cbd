import { assert, describe, it } from "@effect/vitest"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { tcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { createLibp2p } from "libp2p"
import { deliverAll, eventually, reserved, startKernel, startRelay } from "../support/libp2pKernel.ts"

const stranger = Effect.acquireRelease(
  Effect.promise(() => createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })),
  (node) => Effect.promise(async () => node.stop())
)

describe.concurrent("a relay", () => {
  it.scopedLive("has no more places than maxReservations, and a place that is free again for another", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay(0, { maxReservations: 1 })
      const factory = { relays: [relay.address] }
      const alice = yield* startKernel("alice", { factory })
      yield* reserved(alice, relay.address)
      const bob = yield* startKernel("bob", { factory })
      const refused = yield* Effect.either(reserved(bob, relay.address, "500 millis"))
      assert.strictEqual(refused._tag, "Left")
      assert.deepStrictEqual(yield* relay.server.reservations, [alice.peerId])
      yield* alice.stop
      yield* eventually(Effect.map(relay.server.reservations, (all) => all.length === 0))
      yield* bob.transport.resetAllBackoffs
      yield* reserved(bob, relay.address)
    })
  )

  it.scopedLive("ends a relayed connection after maxConnectionDuration, and messages go on over a new one", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay(0, { maxConnectionDuration: Duration.seconds(1) })
      const factory = { relays: [relay.address] }
      const alice = yield* startKernel("alice", { factory })
      const bob = yield* startKernel("bob", { factory })
      yield* Effect.all([reserved(alice, relay.address), reserved(bob, relay.address)])
      yield* deliverAll(alice, bob, ["one"])
      const [took] = yield* Effect.timed(alice.dialed[0]!.ended)
      assert.isTrue(Duration.between(took, { minimum: Duration.millis(500), maximum: Duration.seconds(5) }))
      yield* deliverAll(alice, bob, ["two"])
      assert.deepStrictEqual(bob.received, ["one", "two"])
    })
  )

  it.scopedLive("has no more connections than maxConnections", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay(0, { maxConnections: 2 })
      const nodes = yield* Effect.all(Array.from({ length: 4 }, () => stranger))
      yield* Effect.forEach(nodes, (node) =>
        Effect.ignore(Effect.tryPromise(() => node.dial(multiaddr(relay.address))))
      )
      const open = () => nodes.filter((node) => node.getConnections().length > 0).length
      yield* eventually(Effect.sync(() => open() <= 2))
      assert.isAbove(open(), 0)
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { RELAY_V2_HOP_CODEC } from "@libp2p/circuit-relay-v2"
import { tcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { createLibp2p } from "libp2p"
import { deliverAll, eventually, reserved, startKernel, startRelay } from "../support/libp2pKernel.ts"

const stranger = Effect.acquireRelease(
  Effect.promise(() => createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })),
  (node) => Effect.promise(async () => node.stop())
)

/** Asks for a place, and gives when it ends, in seconds since the Unix epoch: circuit relay v2, by the byte. */
const askForPlace = (relay: string) =>
  Effect.gen(function* () {
    const node = yield* stranger
    const stream = yield* Effect.promise(() => node.dialProtocol(multiaddr(relay), RELAY_V2_HOP_CODEC))
    const answer = yield* Effect.async<Uint8Array>((resume) => {
      stream.addEventListener("message", ({ data }) => resume(Effect.succeed(data.subarray().slice())), { once: true })
      stream.send(Uint8Array.of(2, 0x08, 0x00))
    })
    // Behind the length come the type (2, an answer) and the reservation with its own length, which begins with its end.
    const reservation = answer.findIndex((byte, index) => byte === 0x1a && answer[index - 1] === 0x02) + 1
    const end = answer.findIndex((byte, index) => index >= reservation && byte < 128) + 2
    let ends = 0
    for (let index = end, weight = 1; index < answer.length; index += 1, weight *= 128) {
      const byte = answer[index] ?? 0
      ends += (byte % 128) * weight
      if (byte < 128) break
    }
    return ends
  })

describe.concurrent("a relay", () => {
  it.scopedLive("gives a place for reservationTtl", () =>
    Effect.gen(function* () {
      const relay = yield* startRelay(0, { reservationTtl: "10 minutes" })
      const now = (yield* Clock.currentTimeMillis) / 1000
      const ends = yield* askForPlace(relay.address)
      assert.isTrue(ends - now > 595 && ends - now < 660, `it ends after ${ends - now} s`)
    })
  )

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

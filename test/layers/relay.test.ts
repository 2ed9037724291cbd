import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { message, numbered, sendAll } from "../support/kernel.ts"
import {
  closedPort,
  eventually,
  type Kernel,
  reserved,
  server,
  startKernel,
  startRelay
} from "../support/libp2pKernel.ts"

const relayId = "12D3KooWBAcqwGmqrxWWKqxwT3p7VxgBQoNTzTaJxFEkEXtdGwXA"

const acknowledged = (from: Kernel, to: Kernel, bodies: ReadonlyArray<string>, hints: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const handle = yield* from.remotes.get(to.peerId, { hints })
    const receipts = yield* sendAll(handle, bodies)
    yield* Effect.forEach(receipts, (receipt) => receipt.acknowledged, { discard: true })
  })

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
      yield* acknowledged(alice, bob, numbered(1, 50), yield* bob.addresses)
      yield* acknowledged(bob, alice, [...numbered(1, 50), "x".repeat(900_000)])
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
      yield* acknowledged(alice, bob, ["hinted"], [relay.address])
      const carol = yield* startKernel("carol", { factory: { relays: [relay.address] } })
      yield* acknowledged(carol, bob, ["known"])
      assert.deepStrictEqual(bob.received, ["hinted", "known"])
    })
  )
})
void [closedPort, eventually, server, Duration, Exit, message, relayId]

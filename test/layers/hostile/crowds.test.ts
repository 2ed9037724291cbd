/** What many strangers together may do to a kernel, beside an honest peer that it knows. */
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys"
import { peerIdFromPrivateKey } from "@libp2p/peer-id"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import {
  assertOnlyHonestRecords,
  enter,
  framed,
  hello,
  honestBeside,
  json,
  knock,
  refusals,
  startPair,
  write
} from "../../support/attacker.ts"
import { startBasePeer } from "../../support/basePeer.ts"

const strangers = (count: number) =>
  Effect.forEach(Array.from({ length: count }), (_, index) =>
    Effect.flatMap(
      Effect.promise(() =>
        generateKeyPairFromSeed(
          "Ed25519",
          new Uint8Array(32)
            .fill(7)
            .fill(index >> 8, 0, 1)
            .fill(index & 255, 1, 2)
        )
      ),
      (key) => startBasePeer(peerIdFromPrivateKey(key).toString())
    )
  )

/** What strangers say once their handshake is done. */
const garbage: ReadonlyArray<Uint8Array> = [
  new Uint8Array(1000),
  new Uint8Array(64).fill(0xff),
  framed("[".repeat(10_000)),
  framed(Uint8Array.of(0xc3, 0x28)),
  json({ seq: 1, method: "deliver", params: ["nonsense"] }),
  json({ seq: 7, method: "deliver", params: ["bringOutYourDead"] }),
  json({ ack: 12 }),
  json({ seq: Number.MAX_SAFE_INTEGER, method: "redeemURL", params: [] })
]

describe("Strangers", () => {
  it.scoped("500 of them with garbage leave no record, no link and no channel", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { alice, bob } = yield* startPair()
      const crowd = yield* strangers(500)
      let said = 0
      yield* honestBeside(
        alice,
        bob,
        Effect.forEach(Chunk.chunksOf(Chunk.fromIterable(crowd), 25), (group) =>
          Effect.scoped(
            Effect.gen(function* () {
              for (const stranger of group) {
                const line = yield* knock(stranger, alice)
                yield* write(line, json(hello("life")))
                yield* write(line, garbage[said++ % garbage.length] ?? new Uint8Array(0))
              }
              yield* Effect.sleep("10 millis")
            })
          )
        )
      )
      yield* assertOnlyHonestRecords(alice, bob)
      const known = [bob.peerId]
      assert.deepStrictEqual(
        (yield* alice.remotes.list).map(({ peerId }) => peerId),
        known
      )
      assert.deepStrictEqual(
        (yield* alice.transport.peers).map(({ peerId }) => peerId),
        known
      )
      assert.strictEqual(yield* network.openChannels(), 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("100 of them that keep their channels open do not keep out a peer that is known", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { alice, bob } = yield* startPair()
      const before = yield* refusals
      const crowd = yield* strangers(100)
      yield* Effect.forEach(crowd, (stranger) =>
        Effect.flatMap(knock(stranger, alice), (line) => write(line, json(hello("evil"))))
      )
      yield* TestClock.adjust("1 millis")
      // One place of a stranger's is bob's, who was one when he came; a quarter of all is kept for those who are none.
      assert.strictEqual((yield* refusals) - before, 26)
      yield* network.cut(alice.peerId, bob.peerId)
      yield* honestBeside(alice, bob, Effect.void)
      yield* assertOnlyHonestRecords(alice, bob)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("100 of them that never say hello do not keep out a peer that is known", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { alice, bob } = yield* startPair()
      const before = yield* refusals
      const crowd = yield* strangers(100)
      const lines = yield* Effect.forEach(crowd, (stranger) => knock(stranger, alice))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(lines.filter(({ channel }) => channel.status() === "open").length, 48)
      assert.strictEqual((yield* refusals) - before, 52)
      yield* network.cut(alice.peerId, bob.peerId)
      yield* honestBeside(alice, bob, Effect.void)
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(lines.every(({ channel }) => channel.status() !== "open"))
      yield* assertOnlyHonestRecords(alice, bob)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("strangers that hold all they may do not keep this kernel from dialing", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* startPair({ config: { maxConcurrentConnections: 4 } })
      const crowd = yield* strangers(8)
      yield* Effect.forEach(crowd, (stranger) =>
        Effect.flatMap(knock(stranger, alice), (line) => write(line, json(hello("x"))))
      )
      yield* TestClock.adjust("1 millis")
      yield* alice.transport.closeConnection(bob.peerId)
      yield* alice.transport.reconnectPeer(bob.peerId)
      yield* honestBeside(alice, bob, Effect.void)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("one of them that begins handshakes all the time is refused unread, and holds up nobody", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* startPair({ config: { maxHandshakesPerMinute: 5 } })
      const [stranger] = yield* strangers(1)
      assert(stranger !== undefined)
      const before = yield* refusals
      yield* honestBeside(
        alice,
        bob,
        Effect.forever(
          Effect.zipRight(
            Effect.scoped(Effect.flatMap(knock(stranger, alice), (line) => write(line, json(hello("x"))))),
            Effect.sleep("10 millis")
          )
        )
      )
      assert.isAbove((yield* refusals) - before, 100)
      yield* assertOnlyHonestRecords(alice, bob)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("one of them that opens streams all the time and says no hello gets four", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* startPair()
      const [stranger] = yield* strangers(1)
      assert(stranger !== undefined)
      const before = yield* refusals
      yield* honestBeside(
        alice,
        bob,
        Effect.forEach(Array.from({ length: 50 }), () => knock(stranger, alice), { discard: true })
      )
      assert.strictEqual((yield* refusals) - before, 46)
      yield* assertOnlyHonestRecords(alice, bob)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that became remotes count against maxRemotes, and the next one is turned away", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* startPair({ config: { maxRemotes: 4 } })
      const crowd = yield* strangers(6)
      yield* honestBeside(
        alice,
        bob,
        Effect.forEach(crowd, (stranger) =>
          Effect.flatMap(enter(stranger, alice), (line) =>
            write(line, json({ seq: 1, method: "deliver", params: ["bringOutYourDead"] }))
          )
        )
      )
      assert.strictEqual((yield* alice.store.listRemotes).length, 4)
    }).pipe(Effect.provide(layerNetwork))
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import { handshake, ids, startBasePeer } from "../../support/basePeer.ts"
import { startKernel } from "../../support/kernel.ts"

describe("a peer that asks and never acknowledges", () => {
  it.scoped("2,000 times leaves no more answers pending than there may be messages", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxPendingMessages: 100, reservedMessages: 10 } })
      const greedy = yield* startBasePeer(ids.low)
      const line = yield* greedy.dial(alice.peerId)
      yield* line.say(handshake("greedy"))
      yield* line.hear
      const url = `ocap:zabc@${alice.peerId}`
      for (let seq = 1; seq <= 2000; seq += 1) {
        yield* Effect.fork(line.say({ seq, method: "redeemURL", params: [url, `key ${seq}`] }))
        if (seq % 50 === 0) yield* TestClock.adjust("100 millis")
      }
      // As many as a turn may have pending: twice the messages, and the reserve.
      assert.strictEqual((yield* alice.store.countPending(greedy.peerId)).messages, 210)
      // Once it does, the next ones are answered.
      yield* line.say({ ack: 210 })
      yield* TestClock.adjust("10 seconds")
      const [remote] = yield* alice.remotes.list
      assert.strictEqual(remote?.nextSeq, 421)
    }).pipe(Effect.provide(layerNetwork))
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type { Delivery } from "../../../src/protocol/Delivery.ts"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import { handleFor, startKernel } from "../../support/kernel.ts"

const value = { body: "#[1]", slots: ["ro+1", "rp-2"] }

/** One of each kind, with every member in use. */
const all: ReadonlyArray<Delivery> = [
  { _tag: "Message", target: "ro-1", methargs: value, result: "rp+1" },
  {
    _tag: "Notify",
    resolutions: [
      { promise: "rp+1", rejected: false, value },
      { promise: "rp-7", rejected: true, value: { body: "#0", slots: [] } }
    ]
  },
  { _tag: "DropExports", refs: ["ro-1", "ro-2"] },
  { _tag: "RetireExports", refs: ["ro-1"] },
  { _tag: "RetireImports", refs: ["ro+3"] },
  { _tag: "BringOutYourDead" }
]

describe("the six kinds of delivery", () => {
  it.scoped("reach the peer's kernel unchanged, and are off the record once it has acknowledged them", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      const receipts = yield* Effect.forEach(all, (delivery) => handle.deliver(delivery))
      const whileOnTheirWay = yield* alice.store.countPending(bob.peerId)
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(receipts, ({ acknowledged }) => acknowledged)
      assert.deepStrictEqual(
        receipts.map(({ seq }) => seq),
        [1, 2, 3, 4, 5, 6]
      )
      assert.deepStrictEqual(
        bob.received.map(({ delivery }) => delivery),
        all
      )
      assert.strictEqual(whileOnTheirWay.messages, 6)
      assert.deepStrictEqual(yield* alice.store.countPending(bob.peerId), { messages: 0, bytes: 0 })
    }).pipe(Effect.provide(layerNetwork))
  )
})

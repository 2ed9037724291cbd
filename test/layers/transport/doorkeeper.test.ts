import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { makeDoorkeeper } from "../../../src/layers/transport/doorkeeper.ts"
import { PeerId } from "../../../src/protocol/PeerId.ts"
import * as RemotesConfig from "../../../src/services/RemotesConfig.ts"

describe("the doorkeeper", () => {
  it.effect("remembers nothing of a crowd that came once each and left", () =>
    Effect.gen(function* () {
      const doorkeeper = yield* makeDoorkeeper(yield* RemotesConfig.make({}))
      const visit = (name: string) => {
        // Names stand for peers here, and nothing looks into them.
        const peerId = PeerId.make(name, { disableValidation: true })
        assert.isUndefined(doorkeeper.admit(peerId))
        doorkeeper.free(peerId)
        doorkeeper.leave(peerId)
      }
      for (let count = 0; count < 10_000; count += 1) {
        visit(`stranger ${count}`)
        if (count % 100 === 0) yield* TestClock.adjust("1 second")
      }
      assert.isAtMost(doorkeeper.size(), 1025)
      yield* TestClock.adjust("1 minute")
      doorkeeper.sweep()
      assert.strictEqual(doorkeeper.size(), 0)
    })
  )
})

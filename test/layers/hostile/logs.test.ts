/** What a peer says must not make a log or a terminal show what is not so, nor fill it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import { watchLog } from "../../fuzz/link.ts"
import { hello, json, knock, startPair, write } from "../../support/attacker.ts"
import { handshake, ids, startBasePeer } from "../../support/basePeer.ts"
import { message } from "../../support/kernel.ts"

const clear = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nINFO all is well\u{202e}"

describe("The log of a kernel under attack", () => {
  it.scoped("repeats nothing of a peer's that is not escaped and bounded", () =>
    Effect.gen(function* () {
      const objections: Array<string> = []
      let told = 0
      yield* Effect.gen(function* () {
        const { alice } = yield* startPair()
        const mallory = yield* startBasePeer(ids.low)
        const handle = yield* alice.remotes.get(mallory.peerId)
        yield* handle.deliver(message("refuse me"))
        const say = (...frames: ReadonlyArray<unknown>) =>
          Effect.gen(function* () {
            yield* write(yield* knock(mallory, alice), json(...frames))
            yield* TestClock.adjust("100 millis")
          })
        yield* say({ method: clear })
        yield* say(hello(clear), { seq: 1, method: "rejected", params: [1, clear, clear.repeat(1000)] })
        // Peers of the base profile, so that each new life is believed at once, and told of.
        yield* say(handshake(clear), { seq: 1, method: "deliver", params: ["bringOutYourDead"] })
        yield* say(handshake(`${clear}1`))
        yield* say(hello(`${clear}2`), { seq: 1, method: clear, params: [clear] }, { seq: clear })
        told = alice.forgotten.length
        yield* say(hello(`${clear}3`), { seq: 1, method: "redeemURLReply", params: [true, clear, clear] })
      }).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, watchLog(objections))),
        Logger.withMinimumLogLevel(LogLevel.Debug)
      )
      assert.deepStrictEqual(objections, [])
      assert.isAbove(told, 0)
    }).pipe(Effect.provide(layerNetwork))
  )
})

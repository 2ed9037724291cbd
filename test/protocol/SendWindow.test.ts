import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as SendWindow from "../../src/protocol/SendWindow.ts"
import type { Statement } from "../../src/protocol/Session.ts"
import { holds } from "../support/longProperty.ts"
import { run, script } from "./Windows.model.ts"

const record = { nextSeq: 10, sentSeq: 7, baseSeq: 4, acknowledgedSeq: 3 }
const restored = SendWindow.make(record)
const statement: Statement = {
  incarnationId: "B",
  peerIncarnationId: "A",
  epoch: 0,
  received: 0,
  sent: 0,
  acknowledged: 0,
  base: 1,
  next: 1,
  senders: [],
  receivedFrom: undefined
}

describe("SendWindow", () => {
  it("begins with what is on record, and has nothing on its way", () => {
    assert.strictEqual(SendWindow.lowestUnacknowledged(restored), 4)
    assert.strictEqual(SendWindow.pending(restored), 6)
    assert.strictEqual(SendWindow.inFlight(restored), 6)
    assert.strictEqual(SendWindow.untransmitted(restored), 0)
  })

  it("goes on with what the peer lacks, and with nothing before it", () => {
    const opened = SendWindow.open(restored, { ...statement, received: 6 })
    assert.strictEqual(opened.cursor, 7)
    assert.strictEqual(opened.acknowledged, 6)
    assert.strictEqual(SendWindow.inFlight(opened), 0)
    assert.strictEqual(SendWindow.untransmitted(opened), 3)
  })

  it("gives a peer of the base profile everything that it has not acknowledged", () => {
    assert.strictEqual(SendWindow.open(restored, undefined).cursor, 4)
  })

  it("sends nothing below the base", () => {
    const gaveUp = SendWindow.append(SendWindow.abandon(restored), 2)
    assert.strictEqual(SendWindow.open(gaveUp, { ...statement, received: 4 }).cursor, 10)
    assert.strictEqual(SendWindow.open(gaveUp, undefined).cursor, 10)
    assert.strictEqual(SendWindow.pending(gaveUp), 2)
    assert.strictEqual(SendWindow.rewind(gaveUp).cursor, 10)
  })

  it("settles what a handshake acknowledges only when everything said before has arrived", () => {
    const opened = SendWindow.open(restored, { ...statement, received: 7, sent: 5, base: 3, next: 6 })
    assert.strictEqual(SendWindow.settle(opened, 4), opened)
    assert.strictEqual(SendWindow.settle(opened, 5).settled, 7)
  })

  it("does not wait for what the peer gave up", () => {
    const opened = SendWindow.open(restored, { ...statement, received: 7, sent: 2, base: 6, next: 6 })
    assert.strictEqual(SendWindow.settle(opened, 2).settled, 7)
  })

  it("sends again what the peer acknowledged and has lost, as long as it is not settled", () => {
    const opened = SendWindow.open(restored, { ...statement, received: 7, sent: 5, base: 3, next: 6 })
    const again = SendWindow.open(opened, { ...statement, received: 5, sent: 5, base: 3, next: 6 })
    assert.strictEqual(again.cursor, 6)
    const settled = SendWindow.settle(opened, 5)
    assert.strictEqual(SendWindow.open(settled, { ...statement, received: 5 }).cursor, 8)
  })

  it("takes an ACK of what was sent, and none of what was not", () => {
    const opened = SendWindow.open(restored, undefined)
    assert.deepStrictEqual(SendWindow.acknowledge(opened, 7), Either.right({ ...opened, acknowledged: 7, cursor: 8 }))
    assert.deepStrictEqual(SendWindow.acknowledge(opened, 3), Either.right(opened))
    assert.deepStrictEqual(SendWindow.acknowledge(opened, 1), Either.right(opened))
    for (const ack of [8, 9, 10, Number.MAX_SAFE_INTEGER]) {
      assert.deepStrictEqual(SendWindow.acknowledge(opened, ack), Either.left(`an ACK of ${ack}, which was never sent`))
    }
    assert.isTrue(Either.isRight(SendWindow.acknowledge(SendWindow.transmit(opened, 9), 9)))
  })

  it("does not take back that something was sent, when it is sent again", () => {
    const again = SendWindow.transmit(SendWindow.open(restored, undefined), 5)
    assert.strictEqual(again.sent, 7)
    assert.strictEqual(again.cursor, 6)
    assert.strictEqual(SendWindow.rewind(again).cursor, 4)
  })

  it("gets everything over exactly once and in order, with statements and refusals", { timeout: 300_000 }, () =>
    holds(script, (ops) => run(false, ops))
  )

  it("gets everything over to a peer of the base profile by sending it again", { timeout: 300_000 }, () =>
    holds(script, (ops) => run(true, ops))
  )
})

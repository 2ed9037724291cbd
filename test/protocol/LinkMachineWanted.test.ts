import { assert, describe, it } from "@effect/vitest"
import { HandshakeTimeoutError } from "../../src/errors/TransportError.ts"
import { StreamClosedError } from "../../src/errors/ConnectionError.ts"
import * as Duration from "effect/Duration"
import * as LinkMachine from "../../src/protocol/LinkMachine.ts"
import * as Rate from "../../src/protocol/Rate.ts"

const error = new HandshakeTimeoutError({ peerId: "peer", timeout: Duration.seconds(10) })
const settings: LinkMachine.Settings = {
  process: "ours",
  wins: true,
  backoff: { base: 500, cap: 10_000 },
  slowBackoff: { base: 500, cap: 30_000 },
  dialRate: Rate.perMinute(10),
  paced: error,
  superseded: new StreamClosedError({ peerId: "peer", status: "closed" })
}
const moment = { now: 0, monotonic: 0, random: 0.5 }

const through = (...events: ReadonlyArray<LinkMachine.Event>) =>
  events.reduce((state, event) => LinkMachine.step(settings, state, event, moment)[0], LinkMachine.initial)

const hailed: LinkMachine.Event = {
  _tag: "Hailed",
  incoming: 1,
  hello: { _tag: "handshake", incarnationId: "i", extensions: undefined }
}
const failed: LinkMachine.Event = {
  _tag: "Failed",
  token: 1,
  error,
  code: error._tag,
  hopeless: false,
  undialed: false
}

describe("LinkMachine: an answer to the peer that fails", () => {
  it("leaves a link at rest on which nobody has anything to say", () => {
    assert.strictEqual(through(hailed, failed).phase._tag, "Idle")
  })

  it("is dialed again if meanwhile somebody had something to say", () => {
    assert.strictEqual(through(hailed, { _tag: "Wanted" }, failed).phase._tag, "BackingOff")
  })

  it("leaves a closed link closed, whoever has something to say", () => {
    assert.strictEqual(through({ _tag: "Close", error }, { _tag: "Wanted" }).phase._tag, "Closed")
  })
})

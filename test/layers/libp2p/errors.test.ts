import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Errors from "../../../src/layers/libp2p/errors.ts"
import * as PeerId from "../../../src/protocol/PeerId.ts"

const bob = Either.getOrThrow(PeerId.fromString("12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E"))
const named = (name: string, fields: object = {}) => Object.assign(new Error(name), { name }, fields)
const circular = named("LoopError")
Object.assign(circular, { cause: circular })

describe("errors of libp2p", () => {
  const codes: ReadonlyArray<readonly [string, unknown, string]> = [
    ["a code before a name", named("DialError", { code: "ECONNREFUSED" }), "ECONNREFUSED"],
    ["the code of a cause", new Error("outer", { cause: named("Error", { code: "EPIPE" }) }), "EPIPE"],
    [
      "the last code of many",
      new AggregateError([named("A", { code: "ENOTFOUND" }), named("B", { code: "ETIMEDOUT" })]),
      "ETIMEDOUT"
    ],
    ["the code behind an event", { type: "close", error: named("Error", { code: "ECONNRESET" }) }, "ECONNRESET"],
    ["a number is no code", new DOMException("late", "TimeoutError"), "TimeoutError"],
    ["a name", named("EncryptionFailedError"), "EncryptionFailedError"],
    ["the name of a cause", new Error("outer", { cause: named("StreamResetError") }), "StreamResetError"],
    ["a reservation that is missing", new Error("failed: NO_RESERVATION"), "NO_RESERVATION"],
    [
      "a relay's reason before a name that says nothing",
      named("InvalidMessageError", { message: "failed to connect via relay with status RESOURCE_LIMIT_EXCEEDED" }),
      "RESOURCE_LIMIT_EXCEEDED"
    ],
    ["itself as cause", circular, "LoopError"],
    ["nothing", {}, "UNKNOWN"],
    ["null", null, "UNKNOWN"],
    ["text", "text", "UNKNOWN"],
    ["a number", 42, "UNKNOWN"]
  ]
  for (const [what, thrown, code] of codes) {
    it(`have as code: ${what}`, () => {
      assert.strictEqual(Errors.codeOf(thrown), code)
      const error = Errors.toDialError(bob, "/there")(thrown)
      assert.strictEqual(error._tag, "DialFailedError")
      assert.strictEqual(error._tag === "DialFailedError" && error.code, code)
      assert.isFalse(Errors.isFinal(error))
    })
  }

  const tags: ReadonlyArray<readonly [string, string, boolean]> = [
    ["TooManyOutboundProtocolStreamsError", "TooManyOutboundProtocolStreamsError", true],
    ["MuxerClosedError", "MuxerClosedError", false],
    ["ConnectionClosedError", "MuxerClosedError", false],
    ["NotStartedError", "NetworkStoppedError", true]
  ]
  for (const [name, tag, isFinal] of tags) {
    it(`translate ${name}, also as a cause and among others`, () => {
      for (const thrown of [
        named(name),
        new Error("outer", { cause: named(name) }),
        new AggregateError([named("X"), named(name)])
      ]) {
        const error = Errors.toDialError(bob, "/there")(thrown)
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(Errors.isFinal(error), isFinal)
      }
    })
  }

  it("leave other ways open when a relay has too many streams of ours", () => {
    const error = Errors.toConnectError(bob, "/there")(named("TooManyOutboundProtocolStreamsError"))
    assert.strictEqual(error._tag === "DialFailedError" && error.code, "TooManyOutboundProtocolStreamsError")
    assert.isFalse(Errors.isFinal(error))
  })

  it("keep the reason why an address could not be had", () => {
    const text =
      "Some configured addresses failed:\n  /ip4/1.2.3.4/tcp/1: Error: listen EADDRNOTAVAIL: address not available"
    assert.strictEqual(Errors.toListenError("/there")(new Error(text)).code, "EADDRNOTAVAIL")
    assert.strictEqual(Errors.toListenError("/there")(named("OddError")).code, "OddError")
  })
})

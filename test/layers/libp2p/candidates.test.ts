import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Candidates from "../../../src/layers/libp2p/candidates.ts"
import * as PeerId from "../../../src/protocol/PeerId.ts"

const bob = Either.getOrThrow(PeerId.fromString("12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E"))
const relay = "12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak"
const at = (port: number) => `/ip4/127.0.0.1/tcp/${port}/p2p/${bob}`
const relayAt = (port: number) => `/ip4/10.0.0.1/tcp/${port}/p2p/${relay}`
const via = (port: number) => `${relayAt(port)}/p2p-circuit/p2p/${bob}`
const make = (hints: ReadonlyArray<string>, sources: Partial<Candidates.Sources> = {}) =>
  Candidates.make(bob, { hints, relays: [], lastGood: undefined, canDial: () => false, ...sources }).map(String)

describe("candidates", () => {
  it("keeps direct hints in order, each once", () => {
    assert.deepStrictEqual(make([at(2), at(1), at(2)]), [at(2), at(1)])
  })

  it("leaves out what is malformed, or says not who is there", () => {
    const hints = [
      "",
      "nonsense",
      "/ip4/999.0.0.1/tcp/1",
      "/ip4/127.0.0.1/tcp/1",
      `/p2p/${relay}`,
      `${relayAt(1)}/p2p-circuit`,
      `${relayAt(1)}/p2p-circuit/p2p/${relay}`,
      `/dns4/${"a".repeat(600)}/tcp/1/p2p/${bob}`,
      at(1)
    ]
    assert.deepStrictEqual(make(hints), [at(1)])
  })

  it("takes every other hint as a relay, behind the peer's own addresses and before the relays that are known, each once", () => {
    assert.deepStrictEqual(make([relayAt(2), via(1), at(1)], { relays: [relayAt(3), relayAt(2)] }), [
      at(1),
      via(1),
      via(2),
      via(3)
    ])
    assert.deepStrictEqual(make([], { relays: [relayAt(3)] }), [via(3)])
  })

  it("never goes through the peer to the peer", () => {
    assert.deepStrictEqual(make([], { relays: [at(1)] }), [])
  })

  it("goes through a relay over WebRTC first, where that can be dialed", () => {
    const canDial = (address: { toString(): string }) => address.toString().includes("/webrtc/")
    assert.deepStrictEqual(make([relayAt(1)], { canDial }), [`${relayAt(1)}/p2p-circuit/webrtc/p2p/${bob}`, via(1)])
  })

  it("puts the address that worked last first, hinted or not", () => {
    assert.deepStrictEqual(make([at(1), at(2)], { lastGood: at(2) }), [at(2), at(1)])
    assert.deepStrictEqual(make([at(1)], { lastGood: at(3) }), [at(3), at(1)])
    assert.deepStrictEqual(make([at(1)], { lastGood: via(1) }), [via(1), at(1)])
    assert.deepStrictEqual(make([], { lastGood: at(3) }), [at(3)])
  })

  it.prop(
    "is bounded and never throws",
    [
      FastCheck.array(
        FastCheck.oneof(FastCheck.string(), FastCheck.nat(65_535).map(at), FastCheck.nat(65_535).map(relayAt)),
        {
          maxLength: 60
        }
      )
    ],
    ([hints]) => {
      assert.isAtMost(make(hints, { canDial: () => true }).length, 25)
    }
  )
})

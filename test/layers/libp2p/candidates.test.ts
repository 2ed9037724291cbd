import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Candidates from "../../../src/layers/libp2p/candidates.ts"
import * as PeerId from "../../../src/protocol/PeerId.ts"

const bob = Either.getOrThrow(PeerId.fromString("12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E"))
const relay = "12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak"
const at = (port: number) => `/ip4/127.0.0.1/tcp/${port}/p2p/${bob}`
const make = (hints: ReadonlyArray<string>, lastGood?: string) => Candidates.make(bob, hints, lastGood).map(String)

describe("candidates", () => {
  it("keeps direct hints in order, each once", () => {
    assert.deepStrictEqual(make([at(2), at(1), at(2)]), [at(2), at(1)])
  })

  it("leaves out what is malformed, of another peer, or a relay", () => {
    const hints = [
      "",
      "nonsense",
      "/ip4/999.0.0.1/tcp/1",
      "/ip4/127.0.0.1/tcp/1",
      `/ip4/127.0.0.1/tcp/1/p2p/${relay}`,
      at(1)
    ]
    assert.deepStrictEqual(make(hints), [at(1)])
  })

  it("puts the address that worked last first, hinted or not", () => {
    assert.deepStrictEqual(make([at(1), at(2)], at(2)), [at(2), at(1)])
    assert.deepStrictEqual(make([at(1)], at(3)), [at(3), at(1)])
    assert.deepStrictEqual(make([], at(3)), [at(3)])
  })

  it.prop(
    "is bounded and never throws",
    [FastCheck.array(FastCheck.oneof(FastCheck.string(), FastCheck.nat(65_535).map(at)), { maxLength: 60 })],
    ([hints]) => {
      assert.isAtMost(make(hints).length, 25)
    }
  )
})

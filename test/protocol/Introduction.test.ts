import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Introduction from "../../src/protocol/Introduction.ts"
import { PeerId } from "../../src/protocol/PeerId.ts"

const letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".split("")

describe("Introduction", () => {
  it("spreads peers over its places, so that a removal hardly ever changes what another stranger hears", () => {
    const text = FastCheck.string({ unit: FastCheck.constantFrom(...letters), minLength: 44, maxLength: 44 })
    const peers = FastCheck.sample(text, { numRuns: 10_000, seed: 1 }).map((it) =>
      Introduction.placeOf(PeerId.make(`12D3KooW${it}`, { disableValidation: true }))
    )
    const counts = new Map<number, number>()
    for (const place of peers) counts.set(place, (counts.get(place) ?? 0) + 1)
    assert.isTrue(peers.every((place) => Number.isInteger(place) && place >= 0 && place < Introduction.places))
    assert.isAbove(counts.size, 0.99 * Introduction.places)
    assert.isBelow(Math.max(...counts.values()), 40)
  })

  it("puts a peer into the same place in every version, because the places are on record", () => {
    const peer = PeerId.make("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN")
    assert.strictEqual(Introduction.placeOf(peer), 954)
  })
})

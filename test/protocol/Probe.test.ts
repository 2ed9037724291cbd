import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Probe from "../../src/protocol/Probe.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"

const encoder = new TextEncoder()
const question = encoder.encode('{"probe":1}')
const answer = encoder.encode('{"probed":1}')
const isEqual = (one: Uint8Array, other: Uint8Array) => one.join() === other.join()

/** One byte of a probe put in, taken out or changed. */
const nearly = FastCheck.tuple(
  FastCheck.constantFrom(question, answer),
  FastCheck.nat(12),
  FastCheck.constantFrom(0, 1),
  FastCheck.uint8Array({ maxLength: 2 })
).map(([probe, at, skipped, put]) => Uint8Array.of(...probe.subarray(0, at), ...put, ...probe.subarray(at + skipped)))

const frame = FastCheck.oneof(
  FastCheck.uint8Array({ maxLength: 40 }),
  FastCheck.json().map((text) => encoder.encode(text)),
  nearly,
  FastCheck.constantFrom(question, answer)
)

describe("Probe", () => {
  it("asks with exactly these bytes", () => {
    assert.deepStrictEqual(Probe.ask, question)
  })

  it.prop(
    "takes exactly the question and the answer for probes",
    [frame],
    ([frame]) => {
      assert.strictEqual(Probe.isProbe(frame), isEqual(frame, question) || isEqual(frame, answer))
    },
    { fastCheck: { numRuns: 10_000 } }
  )

  it("does not take what means the same but is written otherwise", () => {
    for (const text of ['{"probe": 1}', '{"probe":1} ', ' {"probe":1}', '{"probe":1.0}', '{"probe":2}', "{}", ""]) {
      assert.isFalse(Probe.isProbe(encoder.encode(text)), text)
      assert.deepStrictEqual(Probe.answers([encoder.encode(text)]), [], text)
    }
  })

  it.prop(
    "answers once if it was asked, and only then",
    [FastCheck.array(frame, { maxLength: 8 })],
    ([frames]) => {
      const asked = frames.some((frame) => isEqual(frame, question))
      assert.deepStrictEqual(Probe.answers(frames), asked ? [answer] : [])
    },
    { fastCheck: { numRuns: 10_000 } }
  )

  it("answers no answer, so that two sides never go on probing each other", () => {
    assert.deepStrictEqual(Probe.answers(Probe.answers([question, question])), [])
  })

  it("is no message: one that slips through to the messages is a violation there, not a delivery", () => {
    for (const frame of [question, answer]) assert.isTrue(Either.isLeft(WireMessage.decode(frame)))
  })
})

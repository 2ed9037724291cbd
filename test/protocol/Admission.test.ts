import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Admission from "../../src/protocol/Admission.ts"
import * as Rate from "../../src/protocol/Rate.ts"

const limits: Admission.Limits = { streams: 3, handshakes: Rate.perMinute(5) }

const moves = FastCheck.array(FastCheck.record({ pause: FastCheck.nat(20_000), opens: FastCheck.boolean() }), {
  maxLength: 100
})

const many = { fastCheck: { numRuns: 10_000 } }

describe("Admission", () => {
  it.prop(
    "never has more streams, nor lets more handshakes begin, than it may",
    [moves],
    ([script]) => {
      let state = Admission.empty
      let now = 0
      let open = 0
      const begun: Array<number> = []
      for (const { opens, pause } of script) {
        now += pause
        if (opens) {
          const admitted = Admission.admit(limits, state, now)
          if (Either.isLeft(admitted)) {
            assert.strictEqual(admitted.left.limit === "streams", open === limits.streams)
            continue
          }
          state = admitted.right
          open += 1
          begun.push(now)
        } else if (open > 0) {
          state = Admission.leave(state)
          open -= 1
        }
        assert.strictEqual(state.streams, open)
        assert.isAtMost(open, limits.streams)
        assert.isAtMost(begun.filter((at) => at > now - 60_000).length, 2 * limits.handshakes.max)
      }
    },
    many
  )

  it("does not count what it refuses", () => {
    let state = Admission.empty
    for (let count = 0; count < 3; count += 1) state = Either.getOrThrow(Admission.admit(limits, state, 0))
    assert.isTrue(Either.isLeft(Admission.admit(limits, state, 0)))
    state = Admission.leave(Admission.leave(Admission.leave(state)))
    assert.isTrue(Either.isRight(Admission.admit(limits, state, 0)))
    assert.isFalse(Admission.isEmpty(limits, state, 35_999))
    assert.isTrue(Admission.isEmpty(limits, state, 36_000))
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as FailurePattern from "../../src/protocol/FailurePattern.ts"

const permanentCodes = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND"]
const otherCodes = ["ECONNRESET", "ETIMEDOUT", "EPIPE", "HandshakeError", "UNKNOWN", ""]

const after = (codes: ReadonlyArray<string>) => codes.reduce(FailurePattern.add, FailurePattern.empty)
const times = (count: number, code: string) => Array.from({ length: count }, () => code)
const codes = FastCheck.array(FastCheck.constantFrom(...permanentCodes, ...otherCodes.slice(0, 2)), { maxLength: 20 })

describe("FailurePattern", () => {
  for (const code of permanentCodes) {
    it(`takes five times ${code} in a row for permanent, and four not`, () => {
      assert.isFalse(FailurePattern.isPermanent(after(times(4, code))))
      assert.isTrue(FailurePattern.isPermanent(after(times(5, code))))
      assert.isTrue(FailurePattern.isPermanent(after(times(50, code))))
    })
  }

  for (const code of otherCodes) {
    it(`never takes "${code}" for permanent`, () => {
      assert.isFalse(FailurePattern.isPermanent(after(times(50, code))))
    })
  }

  it("sees no pattern in mixed failures, nor in none", () => {
    assert.isFalse(FailurePattern.isPermanent(FailurePattern.empty))
    assert.isFalse(FailurePattern.isPermanent(after(["ECONNREFUSED", ...times(4, "ENOTFOUND")])))
    assert.isFalse(FailurePattern.isPermanent(after([...times(4, "ENOTFOUND"), "ECONNREFUSED"])))
    assert.isFalse(FailurePattern.isPermanent(after([...times(5, "ENOTFOUND"), "ETIMEDOUT"])))
  })

  it("forgets what lies further back than five", () => {
    assert.isTrue(FailurePattern.isPermanent(after(["ETIMEDOUT", ...times(5, "ENOTFOUND")])))
  })

  it.prop(
    "keeps the last five, and judges by nothing else",
    [codes],
    ([codes]) => {
      const pattern = after(codes)
      const last = codes.slice(-5)
      assert.deepStrictEqual(pattern, last)
      const permanent = permanentCodes.some((code) => last.length === 5 && last.every((it) => it === code))
      assert.strictEqual(FailurePattern.isPermanent(pattern), permanent)
    },
    { fastCheck: { numRuns: 10_000 } }
  )
})

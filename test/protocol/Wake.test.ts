import { assert, describe, it } from "@effect/vitest"
import * as Wake from "../../src/protocol/Wake.ts"

describe("Wake", () => {
  it("is a jump of more than 30 s beyond the interval, and nothing less", () => {
    assert.isFalse(Wake.isWake(1000, 1000 + 15_000))
    assert.isFalse(Wake.isWake(1000, 1000 + 45_000))
    assert.isTrue(Wake.isWake(1000, 1000 + 45_001))
    assert.isTrue(Wake.isWake(1000, 1000 + 60_000))
  })

  it("is not a clock that was set back", () => {
    assert.isFalse(Wake.isWake(1_000_000, 0))
  })
})

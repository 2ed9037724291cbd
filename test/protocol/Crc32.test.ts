import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Zlib from "node:zlib"
import { crc32 } from "../../src/protocol/Crc32.ts"

const bytes = FastCheck.uint8Array({ maxLength: 70 })

describe("Crc32", () => {
  it("has the check value of CRC-32/ISO-HDLC", () => {
    assert.strictEqual(crc32(new TextEncoder().encode("123456789")), 0xcbf43926)
    assert.strictEqual(crc32(new Uint8Array(0)), 0)
  })

  it.prop("agrees with zlib", [bytes], ([it]) => {
    assert.strictEqual(crc32(it), Zlib.crc32(it))
  })

  it.prop(
    "sees every changed bit",
    [FastCheck.uint8Array({ minLength: 1, maxLength: 70 }), FastCheck.nat()],
    ([it, where]) => {
      const changed = it.slice()
      const at = (where >>> 3) % it.length
      changed[at] = (changed[at] ?? 0) ^ (1 << (where & 7))
      assert.notStrictEqual(crc32(changed), crc32(it))
    }
  )
})

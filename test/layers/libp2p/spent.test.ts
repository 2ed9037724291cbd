/** When a buffer is freed, and when it is not. */
import { assert, describe, it } from "@effect/vitest"
import { disposalOf, disposeOnceWritten } from "../../../src/layers/libp2p/spent.ts"

const isFreed = ({ buffer }: Uint8Array) => buffer.byteLength === 0

describe("Bytes that nobody has but who writes them", () => {
  it("are freed when they have been written, and not before", () => {
    const bytes = disposeOnceWritten(new Uint8Array(4096))
    const dispose = disposalOf(bytes)
    assert.isFalse(isFreed(bytes))
    dispose?.()
    assert.isTrue(isFreed(bytes))
  })

  it("are freed once", () => {
    const bytes = disposeOnceWritten(new Uint8Array(4096))
    assert.isDefined(disposalOf(bytes))
    assert.isUndefined(disposalOf(bytes))
  })

  it("are all of their buffer, and neither short nor anybody's", () => {
    assert.isUndefined(disposalOf(disposeOnceWritten(new Uint8Array(8192).subarray(0, 4096))))
    assert.isUndefined(disposalOf(disposeOnceWritten(new Uint8Array(4095))))
    assert.isUndefined(disposalOf(new Uint8Array(4096)))
    const bytes = disposeOnceWritten(new Uint8Array(8192))
    assert.isUndefined(disposalOf(bytes.subarray(0)))
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { SparseMap } from "../../src/internal/sparseMap.ts"

const key = FastCheck.integer({ min: 0, max: 3 })

const step = FastCheck.oneof(
  FastCheck.record({ does: FastCheck.constant("set" as const), key, value: FastCheck.nat() }),
  FastCheck.record({ does: FastCheck.constant("delete" as const), key }),
  FastCheck.record({ does: FastCheck.constant("clear" as const) })
)

describe("a sparse map", () => {
  it("is to whoever uses it as a map is", () =>
    FastCheck.assert(
      FastCheck.property(FastCheck.array(step, { maxLength: 20 }), (steps) => {
        const sparse = new SparseMap<number, number>()
        const map = new Map<number, number>()
        for (const it of steps) {
          if (it.does === "set") {
            sparse.set(it.key, it.value)
            map.set(it.key, it.value)
          } else if (it.does === "delete") assert.strictEqual(sparse.delete(it.key), map.delete(it.key))
          else {
            sparse.clear()
            map.clear()
          }
          assert.strictEqual(sparse.size, map.size)
          assert.deepStrictEqual([...sparse.keys()], [...map.keys()])
          assert.deepStrictEqual([...sparse.values()], [...map.values()])
          for (const each of [0, 1, 2, 3]) assert.strictEqual(sparse.get(each), map.get(each))
        }
      }),
      { numRuns: 10_000 }
    ))
})

import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { type Due, DueHeap } from "../../src/internal/dueHeap.ts"

const step = fc.record({
  who: fc.nat(9),
  lookAt: fc.option(fc.nat(20), { nil: undefined })
})

describe("a heap of what is due", () => {
  it("gives the earliest first, whatever is put in, moved and taken out", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const all: ReadonlyArray<Due> = Array.from({ length: 10 }, () => ({ lookAt: 0, place: -1 }))
        const heap = new DueHeap<Due>()
        const model = new Map<Due, number>()
        for (const { lookAt, who } of steps) {
          const it = all[who]
          if (it === undefined) continue
          if (lookAt === undefined) {
            heap.remove(it)
            model.delete(it)
          } else {
            heap.put(it, lookAt)
            model.set(it, lookAt)
          }
          assert.strictEqual(heap.size, model.size)
          assert.strictEqual(heap.first?.lookAt, model.size === 0 ? undefined : Math.min(...model.values()))
        }
        const left: Array<number> = []
        for (let first = heap.first; first !== undefined; first = heap.first) {
          left.push(first.lookAt)
          heap.remove(first)
        }
        assert.deepStrictEqual(
          left,
          [...model.values()].sort((a, b) => a - b)
        )
      })
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Room from "../../src/protocol/Room.ts"

const limits: Room.Limits = { maxPendingMessages: 10, maxPendingBytes: 1000, reservedMessages: 2, reservedBytes: 100 }
const empty: Room.Load = { messages: 0, bytes: 0, reservedMessages: 0, reservedBytes: 0 }
const full: Room.Load = { ...empty, messages: 10 }

const arrival = FastCheck.record({
  lane: FastCheck.constantFrom<Array<Room.Lane>>("ordinary", "kernel"),
  size: FastCheck.nat(300)
})
const many = { fastCheck: { numRuns: 10_000 } }

/** Lets in what is admitted, and gives the load after each. */
const fill = (arrivals: ReadonlyArray<{ readonly lane: Room.Lane; readonly size: number }>) => {
  let load = empty
  return arrivals.map(({ lane, size }) => {
    const admission = Room.admit(limits, load, lane, size)
    const reserved = admission === "reserve" ? 1 : 0
    if (admission === "free" || admission === "reserve") {
      load = {
        messages: load.messages + 1,
        bytes: load.bytes + size,
        reservedMessages: load.reservedMessages + reserved,
        reservedBytes: load.reservedBytes + reserved * size
      }
    }
    return { lane, size, admission, load }
  })
}

describe("Room", () => {
  it("counts calls as ordinary, and all else as the kernel's own", () => {
    const methargs = { body: "", slots: [] }
    assert.strictEqual(Room.laneOf({ _tag: "Message", target: "", methargs, result: "" }), "ordinary")
    assert.strictEqual(Room.laneOf({ _tag: "Notify", resolutions: [] }), "kernel")
    for (const _tag of ["DropExports", "RetireExports", "RetireImports"] as const) {
      assert.strictEqual(Room.laneOf({ _tag, refs: [] }), "kernel")
    }
    assert.strictEqual(Room.laneOf({ _tag: "BringOutYourDead" }), "kernel")
  })

  it("names the limit that is reached", () => {
    assert.strictEqual(Room.admit(limits, { ...empty, messages: 9, bytes: 999 }, "ordinary", 5000), "free")
    assert.strictEqual(Room.admit(limits, full, "ordinary", 1), "pendingMessages")
    assert.strictEqual(Room.admit(limits, { ...empty, bytes: 1000 }, "ordinary", 1), "pendingBytes")
  })

  it("lets the kernel's own in on the reserve, up to its last byte and message", () => {
    assert.strictEqual(Room.admit(limits, full, "kernel", 100), "reserve")
    assert.strictEqual(Room.admit(limits, full, "kernel", 101), "pendingMessages")
    assert.strictEqual(Room.admit(limits, { ...full, reservedMessages: 1, reservedBytes: 99 }, "kernel", 1), "reserve")
    assert.strictEqual(Room.admit(limits, { ...full, reservedMessages: 2 }, "kernel", 1), "pendingMessages")
  })

  it("inside of a transaction allows twice the limits, and the kernel's own the reserve more", () => {
    const inTurn = (messages: number, bytes: number, lane: Room.Lane, size: number) =>
      Room.admitInTurn(limits, { ...empty, messages, bytes }, lane, size)
    assert.strictEqual(inTurn(19, 1999, "ordinary", 1), "free")
    assert.strictEqual(inTurn(19, 1999, "ordinary", 2), "pendingBytes")
    assert.strictEqual(inTurn(20, 0, "ordinary", 1), "pendingMessages")
    assert.strictEqual(inTurn(21, 2099, "kernel", 1), "free")
    assert.strictEqual(inTurn(22, 0, "kernel", 1), "pendingMessages")
    assert.strictEqual(inTurn(0, 2100, "kernel", 1), "pendingBytes")
  })

  it.prop(
    "never exceeds the limits and the reserve, and ordinary messages never take from the reserve",
    [FastCheck.array(arrival, { maxLength: 20 })],
    ([arrivals]) => {
      for (const { admission, lane, load, size } of fill(arrivals)) {
        assert.isAtMost(load.messages, limits.maxPendingMessages + limits.reservedMessages)
        assert.isBelow(load.bytes - load.reservedBytes, limits.maxPendingBytes + 300)
        assert.isAtMost(load.reservedBytes, limits.reservedBytes)
        assert.isTrue(lane === "kernel" || admission !== "reserve")
        const refused = admission === "pendingMessages" || admission === "pendingBytes"
        const left =
          load.reservedMessages < limits.reservedMessages && load.reservedBytes + size <= limits.reservedBytes
        assert.isFalse(lane === "kernel" && refused && left, "the reserve had room for it")
      }
    },
    many
  )
})

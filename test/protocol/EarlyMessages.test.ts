import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as EarlyMessages from "../../src/protocol/EarlyMessages.ts"

const limits = { messages: 3, bytes: 100 }
const timeout = 15_000

/** What happens at a receiver: a message arrives after some time, or time passes and somebody looks. */
type Event =
  | { readonly _tag: "Arrive"; readonly seq: number; readonly bytes: number; readonly after: number }
  | { readonly _tag: "Look"; readonly after: number }

const after = FastCheck.oneof(FastCheck.nat(20), FastCheck.nat(2 * timeout))
const event: FastCheck.Arbitrary<Event> = FastCheck.oneof(
  FastCheck.record({
    _tag: FastCheck.constant("Arrive" as const),
    seq: FastCheck.integer({ min: 1, max: 12 }),
    bytes: FastCheck.oneof(FastCheck.nat(40), FastCheck.nat(200)),
    after
  }),
  FastCheck.record({ _tag: FastCheck.constant("Look" as const), after })
)

interface World {
  early: EarlyMessages.EarlyMessages<number>
  received: number
  now: number
  readonly taken: Array<number>
  readonly holes: Array<EarlyMessages.Hole>
  /** The last moment at which anything was taken or passed, and the first at which something was held after it. */
  progressAt: number
}

const start = (): World => ({ early: EarlyMessages.empty, received: 0, now: 0, taken: [], holes: [], progressAt: 0 })

const takeAll = (world: World, { early, taken }: EarlyMessages.Taking<number>): void => {
  world.taken.push(...taken)
  world.received += taken.length
  world.early = EarlyMessages.wait(early, world.now, taken.length > 0)
  if (taken.length > 0) world.progressAt = world.now
}

const look = (world: World): void => {
  const passed = EarlyMessages.pass(world.early, world.received, world.now, timeout)
  if (passed === undefined) return
  assert.isAtLeast(world.now, world.progressAt + timeout, "nothing is passed before its time")
  world.holes.push(passed.hole)
  world.received = passed.hole.through
  takeAll(world, passed)
}

const step = (world: World, event: Event): void => {
  world.now += event.after
  if (event._tag === "Look") return look(world)
  const { bytes, seq } = event
  takeAll(world, EarlyMessages.arrive(world.early, world.received, { seq, bytes, message: seq }, limits))
}

const numbersOf = ({ from, through }: EarlyMessages.Hole): ReadonlyArray<number> =>
  Array.from({ length: through - from + 1 }, (_, index) => from + index)

const check = (world: World): void => {
  const { early, holes, received, taken } = world
  assert.deepStrictEqual(
    taken,
    taken.toSorted((one, other) => one - other),
    "nothing overtakes anything"
  )
  assert.deepStrictEqual(
    [...taken, ...holes.flatMap(numbersOf)].toSorted((one, other) => one - other),
    numbersOf({ from: 1, through: received }),
    "each number up to the last was taken once, or is on record as lost, and not both"
  )
  const bytes = early.held.reduce((sum, held) => sum + held.bytes, 0)
  assert.strictEqual(early.bytes, bytes)
  assert.isTrue(early.held.length <= 1 || (early.held.length <= limits.messages && bytes <= limits.bytes), "bounded")
  assert.isTrue(early.held.every(({ seq }) => seq > received + 1))
  assert.strictEqual(early.since === undefined, early.held.length === 0)
}

describe("EarlyMessages", () => {
  it.prop(
    "never reorders, never loses without a record, never holds more than it may, whatever arrives when",
    [FastCheck.array(event, { maxLength: 40 })],
    ([events]) => {
      const world = start()
      for (const it of events) {
        step(world, it)
        check(world)
      }
    },
    { fastCheck: { numRuns: 10_000 } }
  )

  it.prop(
    "loses nothing if the peer sends again all that was not acknowledged before the time is over",
    [FastCheck.array(event, { maxLength: 20 })],
    ([events]) => {
      const world = start()
      for (const it of events) {
        if (it._tag === "Arrive") step(world, { ...it, after: 0 })
        if (world.received >= 12) break
        // A resend cycle: everything above what was acknowledged, in order.
        if (it._tag === "Look") {
          world.now += timeout - 1
          look(world)
          for (let seq = world.received + 1; seq <= 12; seq += 1)
            step(world, { _tag: "Arrive", seq, bytes: 40, after: 0 })
        }
      }
      assert.deepStrictEqual(world.holes, [])
    },
    { fastCheck: { numRuns: 10_000 }, timeout: 120_000 }
  )

  it("takes what came early as soon as what was missing has come", () => {
    const world = start()
    for (const seq of [3, 2, 1]) step(world, { _tag: "Arrive", seq, bytes: 10, after: 1 })
    assert.deepStrictEqual(world.taken, [1, 2, 3])
    assert.strictEqual(world.early, EarlyMessages.empty)
  })

  it("keeps the lowest numbers when there is room for few", () => {
    const world = start()
    for (const seq of [9, 8, 7, 6, 5]) step(world, { _tag: "Arrive", seq, bytes: 10, after: 1 })
    assert.deepStrictEqual(
      world.early.held.map(({ seq }) => seq),
      [5, 6, 7]
    )
  })

  it("passes a hole before one message that is larger than all that may be kept", () => {
    const world = start()
    step(world, { _tag: "Arrive", seq: 3, bytes: 1_000, after: 0 })
    step(world, { _tag: "Look", after: timeout - 1 })
    assert.deepStrictEqual(world.holes, [])
    step(world, { _tag: "Look", after: 1 })
    assert.deepStrictEqual(world.holes, [{ from: 1, through: 2 }])
    assert.deepStrictEqual(world.taken, [3])
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Inbox } from "../../../src/layers/libp2p/inbox.ts"
import * as Frame from "../../../src/protocol/Frame.ts"

const limit = 4096

/** Chunks of fifty tiny frames; each chunk, taken apart, fills the inbox alone. */
const flood = (chunks: number) =>
  Array.from({ length: chunks }, () => Frame.encode(Array<Uint8Array>(50).fill(Uint8Array.of(1, 2, 3))))

const setUp = (most = limit) => {
  const later: Array<() => void> = []
  const heard = { decoded: 0, rooms: 0, violations: Array<string>() }
  const decoder = Frame.makeDecoder(1024)
  const inbox = new Inbox<string>({
    decoder: {
      push: (chunk) => {
        heard.decoded += 1
        return decoder.push(chunk)
      },
      beforeViolation: () => decoder.beforeViolation(),
      pendingBytes: () => decoder.pendingBytes()
    },
    limit: most,
    later: (run) => void later.push(run),
    onRoom: () => void (heard.rooms += 1),
    onViolation: (reason) => void heard.violations.push(reason)
  })
  return { heard, inbox, later }
}

describe("What nobody has taken yet", () => {
  it.effect("stays as it came but for what is taken next, and is taken apart as the inbox empties", () =>
    Effect.gen(function* () {
      const { heard, inbox, later } = setUp()
      inbox.push(flood(8))
      assert.isTrue(inbox.isFull)
      assert.strictEqual(heard.decoded, 6)
      assert.lengthOf(yield* inbox.take, 256)
      assert.strictEqual(heard.decoded, 8)
      assert.isTrue(inbox.isFull)
      assert.strictEqual(heard.rooms, 0)
      later.shift()?.()
      assert.lengthOf(yield* inbox.take, 144)
      assert.strictEqual(heard.rooms, 1)
      assert.isFalse(inbox.isFull)
    })
  )

  it.effect("fills the inbox although it has not been taken apart", () =>
    Effect.sync(() => {
      const { heard, inbox } = setUp(50_000)
      for (let pushed = 0; !inbox.isFull; pushed += 1) {
        assert.isBelow(pushed, 100)
        inbox.push(flood(1))
      }
      assert.strictEqual(heard.decoded, 6)
      inbox.clear()
      assert.isFalse(inbox.isFull)
    })
  )

  it.effect("comes before the failure, also what had not been taken apart yet", () =>
    Effect.gen(function* () {
      const { inbox, later } = setUp()
      inbox.push(flood(7))
      inbox.fail(() => "the end")
      assert.lengthOf(yield* inbox.take, 256)
      later.shift()?.()
      assert.lengthOf(yield* inbox.take, 94)
      assert.strictEqual(yield* Effect.flip(inbox.take), "the end")
    })
  )

  it.effect("may hide a broken rule until it is taken apart; what came before it is heard", () =>
    Effect.gen(function* () {
      const { heard, inbox, later } = setUp()
      inbox.push([...flood(6), Uint8Array.of(1, 7, 0x80, 0x00), ...flood(1)])
      assert.deepStrictEqual(heard.violations, [])
      assert.lengthOf(yield* inbox.take, 256)
      assert.deepStrictEqual(heard.violations, ["a length prefix that is longer than it needs to be"])
      later.shift()?.()
      assert.deepStrictEqual((yield* inbox.take).slice(-2), [Uint8Array.of(1, 2, 3), Uint8Array.of(7)])
    })
  )

  it.effect("is heard at once if it is little, and once everything has been read if it is much", () =>
    Effect.gen(function* () {
      const { inbox, later } = setUp(1_048_576)
      const little = yield* Effect.fork(inbox.take)
      yield* Effect.yieldNow()
      inbox.push([Frame.encode([Uint8Array.of(1)])])
      assert.deepStrictEqual(yield* Fiber.join(little), [Uint8Array.of(1)])

      const much = yield* Effect.fork(inbox.take)
      yield* Effect.yieldNow()
      for (let pushed = 0; pushed < 5; pushed += 1) inbox.push(flood(6))
      assert.lengthOf(later, 1)
      yield* Effect.yieldNow()
      assert.isNull(much.unsafePoll())
      later.shift()?.()
      assert.lengthOf(yield* Fiber.join(much), 256)
    })
  )

  it.effect("is taken in portions, each in a turn of its own, so that others have theirs", () =>
    Effect.gen(function* () {
      const { inbox, later } = setUp(1_048_576)
      let heard = 0
      const hear = () => {
        const taken = inbox.poll()
        heard += taken.length
        if (taken.length > 0) inbox.listen(hear)
      }
      inbox.listen(hear)
      for (let pushed = 0; pushed < 5; pushed += 1) inbox.push(flood(6))
      inbox.fail(() => "the end")
      const turns: Array<number> = []
      for (let run = later.shift(); run !== undefined; run = later.shift()) {
        run()
        turns.push(heard)
      }
      assert.deepStrictEqual(turns, [256, 512, 768, 1024, 1280, 1500])
      assert.strictEqual(yield* Effect.flip(inbox.take), "the end")
    })
  )
})

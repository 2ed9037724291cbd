import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import type { Delivery } from "../../../src/protocol/Delivery.ts"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import { bodiesOf, handleFor, message, numbered, sendAll, startKernel } from "../../support/kernel.ts"

const drop = (ref: string): Delivery => ({ _tag: "DropExports", refs: [ref] })

/** Three messages, and two of the kernel's own. */
const small = { maxPendingMessages: 3, reservedMessages: 2 }

/** Alice, with everything that may be pending for an absent bob pending. */
const filled = (config: NonNullable<Parameters<typeof startKernel>[1]>["config"] = small) =>
  Effect.gen(function* () {
    const disk = RemoteStoreMemory.makeDisk()
    const alice = yield* startKernel("alice", { config, disk })
    const bob = yield* startKernel("bob")
    const handle = yield* handleFor(alice, bob)
    yield* bob.stop
    yield* sendAll(handle, numbered(1, 3))
    return { alice, disk, handle }
  })

const isDone = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => Effect.map(Fiber.poll(fiber), Option.isSome)

describe("the reserved lane", () => {
  it.scoped("lets the kernel's own traffic in while calls wait, until it is taken up itself", () =>
    Effect.gen(function* () {
      const { handle } = yield* filled()
      const call = yield* Effect.fork(handle.deliver(message("4")))
      yield* TestClock.adjust("1 minute")
      yield* handle.deliver({ _tag: "Notify", resolutions: [] })
      yield* handle.deliver({ _tag: "RetireImports", refs: ["ro+1"] })
      const third = yield* Effect.fork(handle.deliver({ _tag: "RetireExports", refs: ["ro-1"] }))
      yield* TestClock.adjust("1 minute")
      assert.isFalse(yield* isDone(call))
      assert.isFalse(yield* isDone(third))
      assert.strictEqual((yield* handle.status).pendingMessages, 5)
      const bob = yield* startKernel("bob")
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.joinAll([call, third])
      yield* TestClock.adjust("1 second")
      assert.sameMembers([...bodiesOf(bob)], [...numbered(1, 4), "Notify", "RetireImports", "RetireExports"])
      assert.deepStrictEqual(bodiesOf(bob).slice(0, 5), [...numbered(1, 3), "Notify", "RetireImports"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is bounded in bytes", () =>
    Effect.gen(function* () {
      const { handle } = yield* filled({ maxPendingMessages: 3, reservedBytes: 200 })
      const large = yield* Effect.fork(handle.deliver(drop("x".repeat(200))))
      yield* handle.deliver(drop("x"))
      yield* TestClock.adjust("1 minute")
      assert.isFalse(yield* isDone(large))
      yield* Fiber.interrupt(large)
      yield* handle.deliver(drop("x"))
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is given back as the peer takes what is on it", () =>
    Effect.gen(function* () {
      const { handle } = yield* filled()
      yield* handle.deliver(drop("1"))
      yield* handle.deliver(drop("2"))
      const bob = yield* startKernel("bob")
      yield* TestClock.adjust("30 seconds")
      yield* bob.stop
      yield* sendAll(handle, numbered(4, 6))
      const receipts = yield* Effect.all([handle.deliver(drop("3")), handle.deliver(drop("4"))])
      assert.deepStrictEqual(
        receipts.map(({ seq }) => seq),
        [9, 10]
      )
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("does not grow with each restart", () =>
    Effect.gen(function* () {
      const { alice, disk, handle } = yield* filled()
      yield* handle.deliver(drop("1"))
      yield* alice.crash
      const alice2 = yield* startKernel("alice", { config: { ...small, overflow: "fail" }, disk })
      const handle2 = yield* alice2.remotes.get(handle.peerId)
      yield* handle2.deliver(drop("2"))
      assert.strictEqual((yield* Effect.flip(handle2.deliver(drop("3"))))._tag, "ResourceLimitError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is empty again after what was on it was given up", () =>
    Effect.gen(function* () {
      const { handle } = yield* filled({ ...small, overflow: "fail" })
      const sendDrops = Effect.forEach(["1", "2"], (ref) => handle.deliver(drop(ref)))
      yield* sendDrops
      yield* handle.giveUp("enough")
      yield* sendAll(handle, numbered(4, 6))
      yield* sendDrops
      assert.strictEqual((yield* handle.status).pendingMessages, 5)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("is there in a transaction, too, beyond the hard limit for calls", () =>
    Effect.gen(function* () {
      const { alice, handle } = yield* filled()
      const count = yield* alice.store.transaction(
        Effect.gen(function* () {
          yield* sendAll(handle, numbered(4, 6))
          const refused = yield* Effect.flip(handle.deliver(message("7")))
          assert(refused._tag === "ResourceLimitError")
          assert.deepStrictEqual([refused.limit, refused.current, refused.max], ["pendingMessages", 6, 6])
          yield* handle.deliver(drop("1"))
          yield* handle.deliver(drop("2"))
          return yield* Effect.flip(handle.deliver(drop("3")))
        })
      )
      assert.strictEqual(count._tag, "ResourceLimitError")
      assert.strictEqual((yield* handle.status).pendingMessages, 8)
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("overflow: fail", () => {
  it.scoped("makes deliver fail at once where it would wait, and use no number", () =>
    Effect.gen(function* () {
      const { handle } = yield* filled({ ...small, overflow: "fail" })
      const error = yield* Effect.flip(handle.deliver(message("4")))
      assert(error._tag === "ResourceLimitError")
      assert.deepStrictEqual([error.limit, error.current, error.max], ["pendingMessages", 3, 3])
      assert.strictEqual((yield* handle.deliver(drop("1"))).seq, 4)
      const bob = yield* startKernel("bob")
      yield* TestClock.adjust("30 seconds")
      yield* handle.deliver(message("5"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(bodiesOf(bob), [...numbered(1, 3), "DropExports", "5"])
    }).pipe(Effect.provide(layerNetwork))
  )
})

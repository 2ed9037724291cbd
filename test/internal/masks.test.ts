/** What goes through a transaction is garbage when it is over: a collection of the young generation is enough to free it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as V8 from "node:v8"
import * as Vm from "node:vm"
import { once, uninterruptibleOnce } from "../../src/internal/masks.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"

V8.setFlagsFromString("--expose-gc")
const collect: unknown = Vm.runInNewContext("gc")

/** Collects the young generation, or everything. */
const collectGarbage = (type: "minor" | "major") => {
  if (typeof collect === "function") Reflect.apply(collect, undefined, [{ type }])
}

const rounds = 100

/** Little beside the young generation, or that would be collected while this is made. */
const bytes = 200_000

/** Objects in the heap of V8's. */
const makePayload = () => Array.from({ length: bytes / 40 }, (_, number) => ({ number, half: number / 2 }))

/** By how many rounds' worth the heap grows at most, when only the young generation is collected after each. */
const growth = <E, R>(round: (payload: ReturnType<typeof makePayload>) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    let highest = 0
    // Each in a step of its own, so that nothing of it is on the stack afterwards.
    const one = Effect.suspend(() => round(makePayload())).pipe(
      Effect.zipRight(Effect.yieldNow()),
      Effect.zipRight(
        Effect.sync(() => {
          collectGarbage("minor")
          highest = Math.max(highest, process.memoryUsage().heapUsed)
        })
      )
    )
    yield* Effect.replicateEffect(one, 5, { discard: true })
    collectGarbage("major")
    const before = process.memoryUsage().heapUsed
    highest = before
    yield* Effect.replicateEffect(one, rounds, { discard: true })
    return (highest - before) / bytes
  })

const use = (payload: ReturnType<typeof makePayload>) => Effect.sync(() => payload.length)

describe("What a mask ran", () => {
  it.live("is let go of when it begins", () =>
    Effect.gen(function* () {
      assert.isBelow(yield* growth((payload) => uninterruptibleOnce((restore) => restore(once(use(payload))))), 10)
      assert.isBelow(yield* growth((payload) => Effect.interruptible(once(use(payload)))), 10)
    })
  )

  it.live("is let go of in a transaction, and in one nested in it", () =>
    Effect.gen(function* () {
      const { transaction } = yield* RemoteStore
      assert.isBelow(yield* growth((payload) => transaction(use(payload))), 10)
      assert.isBelow(yield* growth((payload) => transaction(transaction(use(payload)))), 10)
    }).pipe(Effect.provide(RemoteStoreMemory.layer))
  )

  it.effect("cannot be interrupted but for what is restored", () =>
    Effect.gen(function* () {
      const steps: Array<string> = []
      const masked = uninterruptibleOnce((restore) =>
        Effect.onInterrupt(restore(once(Effect.never)), () => Effect.sync(() => steps.push("interrupted"))).pipe(
          Effect.onExit(() => Effect.sync(() => steps.push("over")))
        )
      )
      const fiber = yield* Effect.fork(masked)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(steps, ["interrupted", "over"])
    })
  )

  it.effect("cannot be run again", () =>
    Effect.gen(function* () {
      const effects = [once(Effect.succeed(1)), uninterruptibleOnce(() => Effect.succeed(1))]
      for (const effect of effects) {
        assert.strictEqual(yield* effect, 1)
        assert.match(String(yield* Effect.sandbox(Effect.flip(Effect.sandbox(effect)))), /run again/)
      }
    })
  )
})

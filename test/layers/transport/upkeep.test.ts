import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import * as PeerId from "../../../src/protocol/PeerId.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { ids, startBasePeer } from "../../support/basePeer.ts"
import { addressOf, handleFor, message, startKernel } from "../../support/kernel.ts"
import { connect, stateOf } from "../../support/link.ts"

/** The clock of a computer that can sleep: `jump` sets it forward without any timer passing. */
const makeSleepyClock = Effect.map(Effect.clock, (clock) => {
  let slept = 0
  const millis = () => clock.unsafeCurrentTimeMillis() + slept
  const nanos = () => clock.unsafeCurrentTimeNanos() + BigInt(slept) * 1_000_000n
  const sleepy: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) => clock.sleep(duration)
  }
  return {
    clock: sleepy,
    jump: (by: number) =>
      Effect.sync(() => {
        slept += by
      })
  }
})

const patient = { reconnectBaseDelay: "10 hours", reconnectMaxDelay: "10 hours" } as const

describe("Transport upkeep: waking", () => {
  it.scoped(
    "begins all backoffs anew when the computer woke from sleep, every time, and not when it is merely slow",
    () =>
      Effect.gen(function* () {
        const network = yield* Network
        const { clock, jump } = yield* makeSleepyClock
        const alice = yield* Effect.withClock(startKernel("alice", { config: patient }), clock)
        const bob = yield* startKernel("bob")
        yield* network.refuse(bob.peerId)
        yield* Effect.flatMap(handleFor(alice, bob), (handle) => handle.deliver(message("hello")))
        const dialsAfter = (time: "0 millis" | "14999 millis" | "1 millis") =>
          Effect.zipRight(TestClock.adjust(time), network.dials(alice.peerId, bob.peerId))
        assert.strictEqual(yield* dialsAfter("0 millis"), 1)
        yield* jump(30_000)
        assert.strictEqual(yield* dialsAfter("14999 millis"), 1)
        assert.strictEqual(yield* dialsAfter("1 millis"), 1)
        for (const expected of [2, 3]) {
          yield* jump(30_001)
          assert.strictEqual(yield* dialsAfter("14999 millis"), expected - 1)
          assert.strictEqual(yield* dialsAfter("1 millis"), expected)
        }
      }).pipe(Effect.provide(layerNetwork), Effect.withRandom(Random.make("waking")))
  )
})

describe("Transport upkeep: peers that are hard to reach", () => {
  it.scoped("dials them less often, says so, and stops doing so when there is something to say", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", {
        config: { reconnectBaseDelay: "10 seconds", maxConnectionAttemptsPerMinute: 1000 }
      })
      const bob = yield* startKernel("bob")
      yield* network.refuse(bob.peerId)
      const handle = yield* handleFor(alice, bob)
      yield* handle.deliver(message("hello"))
      const waits = Effect.gen(function* () {
        let longest = 0
        for (let second = 0; second < 300; second += 1) {
          const state = yield* stateOf(alice, bob)
          if (state._tag === "BackingOff" && state.permanent) {
            longest = Math.max(longest, state.retryAt - (yield* Clock.currentTimeMillis))
          }
          yield* TestClock.adjust("1 second")
        }
        return longest
      })
      const longest = yield* waits
      assert.isAbove(longest, 10_000)
      assert.isAtMost(longest, 30_000)
      const before = yield* stateOf(alice, bob)
      assert(before._tag === "BackingOff" && before.permanent)
      yield* handle.deliver(message("still there?"))
      yield* TestClock.adjust("0 millis")
      const after = yield* stateOf(alice, bob)
      assert(after._tag === "BackingOff" && !after.permanent)
      assert.isAtMost(after.retryAt - (yield* Clock.currentTimeMillis), 10_000)
      assert.strictEqual((yield* handle.status).pendingMessages, 2)
    }).pipe(Effect.provide(layerNetwork), Effect.withRandom(Random.make("hard to reach")))
  )
})

describe("Transport upkeep: links that are of no use", () => {
  it.scoped("forgets one that nobody reads an hour after it came to rest, and not before", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const ghost = yield* PeerId.fromString(ids.low)
      yield* alice.transport.reconnectPeer(ghost)
      yield* TestClock.adjust("3599999 millis")
      assert.strictEqual((yield* alice.transport.peers).length, 1)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* alice.transport.peers, [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("never forgets a running reconnect, nor what was closed on purpose, nor a remote's hints", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const config = { cleanupInterval: "1 minute", stalePeerTimeout: "2 minutes" } as const
      const alice = yield* startKernel("alice", { config })
      const bob = yield* startKernel("bob", { config })
      const away = yield* PeerId.fromString(ids.low)
      const closed = yield* startBasePeer(ids.high)
      const handle = yield* connect(alice, bob)
      yield* alice.transport.reconnectPeer(away, [addressOf(away)])
      yield* alice.transport.closeConnection(closed.peerId)
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual((yield* stateOf(alice, { peerId: away }))._tag, "BackingOff")
      assert.strictEqual((yield* stateOf(alice, closed))._tag, "Closed")
      assert.strictEqual((yield* stateOf(alice, bob))._tag, "Idle")
      const line = yield* closed.dial(alice.peerId)
      yield* line.say({ method: "handshake", params: { incarnationId: "i" } })
      assert.isTrue(yield* Effect.isFailure(line.channel.receive))
      const receipt = yield* handle.deliver(message("after a long time"))
      const arrived = yield* Effect.fork(receipt.acknowledged)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(arrived)
      assert.strictEqual(yield* network.dials(alice.peerId, bob.peerId), 2)
    }).pipe(Effect.provide(layerNetwork))
  )
})

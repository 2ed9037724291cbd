import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TestClock from "effect/TestClock"
import { StoreUnavailableError } from "../../../src/errors/StoreError.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import * as RemotesConfig from "../../../src/services/RemotesConfig.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import type { Kernel, KernelOptions } from "../../support/kernel.ts"
import { bodiesOf, handleFor, message, sendAll, startKernel } from "../../support/kernel.ts"

type Config = NonNullable<KernelOptions["config"]>

const forgotten = (kernel: Kernel) => kernel.forgotten.map(({ message }) => message.replace(/^\S+ /, ""))

const letters = (kernel: Kernel) =>
  Effect.map(kernel.store.listDeadLetters({ afterId: 0, limit: 10 }), (all) =>
    all.map(({ reason, seq }) => `${seq} ${reason}`)
  )

/** Alice, who has talked to bob, and bob gone. */
const abandoned = (config: Config, options: KernelOptions = {}) =>
  Effect.gen(function* () {
    const alice = yield* startKernel("alice", { config, ...options })
    const disk = RemoteStoreMemory.makeDisk()
    const bob = yield* startKernel("bob", { disk })
    const handle = yield* handleFor(alice, bob)
    yield* (yield* handle.deliver(message("hello"))).acknowledged
    yield* bob.stop
    return { alice, bob, handle, restartBob: startKernel("bob", { disk }) }
  })

const lasting = (time: Duration.DurationInput, config: Config) =>
  Effect.gen(function* () {
    const { alice, handle, restartBob } = yield* abandoned(config)
    const receipt = yield* handle.deliver(message("into the void"))
    const outcome = yield* Effect.fork(Effect.flip(receipt.acknowledged))
    yield* TestClock.adjust(time)
    assert.deepStrictEqual(alice.forgotten, [])
    yield* TestClock.adjust("1 millis")
    assert.strictEqual((yield* outcome)._tag, "GivenUpError")
    assert.deepStrictEqual(yield* letters(alice), ["2 GivenUp"])
    assert.strictEqual((yield* handle.status).pendingMessages, 0)
    return { alice, handle, restartBob }
  })

describe("giving up by policy", () => {
  it.scoped("after a time without contact, not before; then the handle can be used again", () =>
    Effect.gen(function* () {
      const { alice, handle, restartBob } = yield* lasting("59999 millis", { giveUp: { after: "1 minute" } })
      assert.deepStrictEqual(forgotten(alice), ["was given up: no contact for 60 s"])
      yield* handle.deliver(message("again"))
      const bob = yield* restartBob
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(bodiesOf(bob), ["again"])
      assert.strictEqual(alice.forgotten.length, 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("as an ocap-kernel does: three resends and 10 s each", () =>
    lasting("39999 millis", { giveUp: RemotesConfig.giveUpLikeOcapKernel }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("the time begins with what is pending, not with the loss of the channel", () =>
    Effect.gen(function* () {
      const { alice, handle } = yield* abandoned({ giveUp: { after: "1 minute" } })
      yield* TestClock.adjust("10 minutes")
      yield* handle.deliver(message("into the void"))
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(alice.forgotten, [])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(alice.forgotten.length, 1)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(alice.forgotten.length, 1, "nothing is pending any more")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a peer that comes back in time is not given up, and gets the whole time again", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const alice = yield* startKernel("alice", { config: { giveUp: { after: "1 minute" } } })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* (yield* handle.deliver(message("0"))).acknowledged
      for (const body of ["1", "2", "3"]) {
        // Refused connections would be dialed less often than every 10 s.
        yield* network.refuse(bob.peerId, "ETIMEDOUT")
        yield* network.cut(alice.peerId, bob.peerId)
        yield* handle.deliver(message(body))
        yield* TestClock.adjust("45 seconds")
        yield* network.welcome(bob.peerId)
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(bodiesOf(bob), ["0", "1", "2", "3"])
      assert.deepStrictEqual(alice.forgotten, [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("after so many attempts in a row that failed, and no more", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { alice, bob, handle } = yield* abandoned({ giveUp: { afterAttempts: 4 } })
      const before = yield* network.dials(alice.peerId, bob.peerId)
      yield* handle.deliver(message("into the void"))
      const dials = Effect.map(network.dials(alice.peerId, bob.peerId), (all) => all - before)
      for (let second = 0; second < 60 && alice.forgotten.length === 0; second += 1) yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(forgotten(alice), ["was given up: 4 attempts in a row to connect failed"])
      assert.isAtLeast(yield* dials, 3)
      assert.deepStrictEqual(yield* letters(alice), ["2 GivenUp"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("not for attempts that a limit of this kernel kept from being made", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", {
        config: { giveUp: { afterAttempts: 2 }, maxConcurrentConnections: 1 }
      })
      const bob = yield* startKernel("bob")
      const carol = yield* startKernel("carol")
      yield* Effect.flatMap(handleFor(alice, bob), (handle) => sendAll(handle, ["to bob"]))
      yield* TestClock.adjust("1 second")
      yield* Effect.flatMap(handleFor(alice, carol), (handle) => sendAll(handle, ["to carol"]))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(alice.forgotten, [])
      yield* alice.transport.closeConnection(bob.peerId)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(bodiesOf(carol), ["to carol"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("never, unless told so; and a shutdown is none", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const { handle } = yield* abandoned({})
      yield* sendAll(handle, ["kept"])
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* handle.status).pendingMessages, 1)

      const carol = yield* startKernel("carol", { config: { giveUp: { after: "1 minute" } }, disk })
      const toBob = yield* carol.remotes.get(handle.peerId)
      yield* toBob.deliver(message("kept"))
      yield* TestClock.adjust("59 seconds")
      yield* carol.stop
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(carol.forgotten, [])
      const carol2 = yield* startKernel("carol", { config: { giveUp: { after: "1 minute" } }, disk })
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(carol2.forgotten, [], "the time that it was down does not count")
      assert.deepStrictEqual(yield* letters(carol2), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("not while the link is closed on purpose", () =>
    Effect.gen(function* () {
      const { alice, bob, handle } = yield* abandoned({ giveUp: { after: "1 minute" } })
      yield* alice.transport.closeConnection(bob.peerId)
      yield* handle.deliver(message("kept"))
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(alice.forgotten, [])
      yield* alice.transport.reconnectPeer(bob.peerId)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(alice.forgotten, [])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(alice.forgotten.length, 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("tries again when the store would not have it", () =>
    Effect.gen(function* () {
      let failures = 0
      const disk = RemoteStoreMemory.makeDisk({
        onCall: (operation) => {
          if (operation !== "buryPending" || failures === 2) return Effect.void
          failures += 1
          return new StoreUnavailableError({ operation, reason: "Busy" })
        }
      })
      const { alice, handle } = yield* abandoned({ giveUp: { after: "1 minute" } }, { disk })
      yield* handle.deliver(message("into the void"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(failures, 1)
      assert.deepStrictEqual(alice.forgotten, [])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(forgotten(alice).length, 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.effect("is an option that is checked", () =>
    Effect.gen(function* () {
      const valid = yield* RemotesConfig.make({ giveUp: { afterAttempts: 1 } })
      assert.deepStrictEqual(valid.giveUp, { afterAttempts: 1 })
      for (const giveUp of [{ afterAttempts: 0 }, { afterAttempts: 1.5 }, { after: "0 millis" as const }]) {
        const error = Either.getOrUndefined(Either.flip(yield* Effect.either(RemotesConfig.make({ giveUp }))))
        assert.match(String(error?.problems), /^giveUp must be "never"/)
      }
    })
  )
})

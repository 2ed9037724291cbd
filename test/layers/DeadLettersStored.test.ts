import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as DeadLettersStored from "../../src/layers/DeadLettersStored.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"
import type { Filter } from "../../src/services/DeadLetters.ts"
import { DeadLetters } from "../../src/services/DeadLetters.ts"
import { DeliveryRefused, KernelBusy, KernelPort } from "../../src/services/KernelPort.ts"
import { Remotes } from "../../src/services/Remotes.ts"
import * as RemotesConfig from "../../src/services/RemotesConfig.ts"
import type { DeadLetter } from "../../src/services/RemoteStore.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"
import { layer as layerNetwork } from "../../src/testing/Network.ts"
import type { Kernel } from "../support/kernel.ts"
import { bodiesOf, bodyOf, handleFor, message, numbered, sendAll, startKernel } from "../support/kernel.ts"

type Receive = KernelPort["Type"]["receive"]

const day = 24 * 60 * 60 * 1000

/** The dead letters of a kernel, whose port then does as `receive` says. */
const lettersOf = (
  { remotes, store }: Pick<Kernel, "remotes" | "store">,
  receive: Receive = () => Effect.die("not expected"),
  config: typeof RemotesConfig.Options.Encoded = {}
) =>
  Effect.map(
    Layer.build(
      DeadLettersStored.layer.pipe(
        Layer.provide(
          Layer.succeed(KernelPort, {
            receive,
            redeem: () => Effect.die("not expected"),
            forget: () => Effect.void
          })
        ),
        Layer.provide(Layer.succeed(Remotes, remotes)),
        Layer.provide(Layer.succeed(RemoteStore, store)),
        Layer.provide(RemotesConfig.layer(config))
      )
    ),
    Context.get(DeadLetters)
  )

const all = (letters: DeadLetters["Type"], filter?: Filter) =>
  Effect.map(Stream.runCollect(letters.list(filter)), (chunk) => Array.from(chunk))

const only = (letters: DeadLetters["Type"]) =>
  Effect.map(all(letters), ([letter, ...more]) => {
    assert(letter !== undefined && more.length === 0)
    return letter
  })

const letter = (peerId: Kernel["peerId"], more: Partial<Omit<DeadLetter, "id">>): Omit<DeadLetter, "id"> => ({
  peerId,
  direction: "outbound",
  epoch: 0,
  seq: 1,
  body: WireMessage.encodeBody({ _tag: "Deliver", delivery: message("hello") }),
  reason: "GivenUp",
  detail: "tired",
  at: 0,
  ...more
})

const refusing = (bodies: ReadonlyArray<string>) => ({
  onReceive: (delivery: Parameters<typeof bodyOf>[0]) =>
    bodies.includes(bodyOf(delivery)) ? new DeliveryRefused({ code: "No", reason: "not now" }) : Effect.void
})

describe("DeadLettersStored: looking", () => {
  it.scoped("lists all letters in order, or those that a filter names", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      yield* alice.store.addDeadLetters(
        Array.from({ length: 100 }, (_, index) =>
          letter(index % 4 === 0 ? bob.peerId : alice.peerId, {
            seq: index,
            direction: index % 3 === 0 ? "inbound" : "outbound",
            reason: index % 5 === 0 ? "Malformed" : "GivenUp"
          })
        )
      )
      const letters = yield* lettersOf(alice)
      const seqs = (filter?: Filter) => Effect.map(all(letters, filter), (them) => them.map(({ seq }) => seq))
      const numbers = Array.from({ length: 100 }, (_, index) => index)
      assert.deepStrictEqual(yield* seqs(), numbers)
      assert.deepStrictEqual(
        yield* seqs({ peerId: bob.peerId }),
        numbers.filter((n) => n % 4 === 0)
      )
      assert.deepStrictEqual(
        yield* seqs({ direction: "inbound" }),
        numbers.filter((n) => n % 3 === 0)
      )
      assert.deepStrictEqual(yield* seqs({ peerId: bob.peerId, direction: "inbound", reason: "Malformed" }), [0, 60])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("opens a letter, and keeps the URL of a redemption redacted", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const letters = yield* lettersOf(alice)
      const url = yield* alice.remotes.issueOcapUrl("secret")
      yield* alice.store.addDeadLetters([
        letter(alice.peerId, {}),
        letter(alice.peerId, { body: WireMessage.encodeBody({ _tag: "RedeemUrl", url, replyKey: "k" }) }),
        letter(alice.peerId, { body: new Uint8Array(0) })
      ])
      const [delivery, redemption, unreadable] = yield* Effect.forEach(yield* all(letters), ({ id }) =>
        Effect.map(letters.inspect(id), ({ content }) => content)
      )
      assert.deepStrictEqual(delivery, { _tag: "Delivery", delivery: message("hello") })
      assert(redemption?._tag === "Redemption")
      assert.strictEqual(Redacted.value(redemption.url), url)
      assert.strictEqual(unreadable?._tag, "Unreadable")
      assert.strictEqual((yield* Effect.flip(letters.inspect(99)))._tag, "DeadLetterNotFoundError")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("drops a letter, once", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const letters = yield* lettersOf(alice)
      yield* alice.store.addDeadLetters([letter(alice.peerId, {})])
      const { id } = yield* only(letters)
      yield* letters.drop(id)
      assert.deepStrictEqual(yield* all(letters), [])
      assert.strictEqual((yield* Effect.flip(letters.drop(id)))._tag, "DeadLetterNotFoundError")
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("DeadLettersStored: driving again", () => {
  it.scoped("delivers an outbound letter as a new message, and only once", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* bob.stop
      yield* sendAll(handle, ["lost"])
      yield* handle.giveUp("bob is away")
      const letters = yield* lettersOf(alice)
      const { id } = yield* only(letters)
      const bob2 = yield* startKernel("bob")
      const attempts = yield* Effect.all(
        Array.from({ length: 5 }, () => Effect.either(letters.redrive(id))),
        { concurrency: "unbounded" }
      )
      const outcomes = attempts.map((it) => (it._tag === "Right" ? it.right._tag : it.left._tag)).sort()
      assert.deepStrictEqual(outcomes, [...Array<string>(4).fill("DeadLetterNotFoundError"), "Delivered"])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(bodiesOf(bob2), ["lost"])
      assert.deepStrictEqual(yield* all(letters), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("keeps the letter when the message is not taken", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { config: { maxPendingMessages: 1 } })
      const bob = yield* startKernel("bob")
      const handle = yield* handleFor(alice, bob)
      yield* bob.stop
      yield* alice.store.transaction(sendAll(handle, numbered(1, 2)))
      yield* alice.store.addDeadLetters([letter(bob.peerId, {})])
      const letters = yield* lettersOf(alice)
      const { id } = yield* only(letters)
      assert.strictEqual((yield* Effect.flip(letters.redrive(id)))._tag, "ResourceLimitError")
      assert.strictEqual((yield* only(letters)).id, id)
      assert.strictEqual((yield* handle.status).pendingMessages, 2)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("offers a refused message to the kernel again, with all that the kernel does in one transaction", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", refusing(["2"]))
      yield* sendAll(yield* handleFor(alice, bob), numbered(1, 3))
      yield* TestClock.adjust("1 second")
      const answers: Array<Effect.Effect<unknown, DeliveryRefused | KernelBusy>> = [
        new DeliveryRefused({ code: "No", reason: "still not" }),
        Effect.die("a bug in the kernel"),
        new KernelBusy({}),
        Effect.void
      ]
      const marks = letter(bob.peerId, { detail: "written by the kernel" })
      const offered: Array<string> = []
      const letters = yield* lettersOf(bob, (peer, delivery) => {
        offered.push(`${peer} ${bodyOf(delivery)}`)
        return Effect.zipRight(Effect.orDie(bob.store.addDeadLetters([marks])), answers.shift() ?? Effect.void)
      })
      const { id } = yield* only(letters)
      const failures = yield* Effect.replicateEffect(Effect.flip(letters.redrive(id)), 3)
      assert.deepStrictEqual(
        failures.map(({ _tag }) => _tag),
        ["DeliveryRefused", "DeliveryRefused", "KernelBusy"]
      )
      assert.strictEqual((yield* only(letters)).id, id)
      assert.deepStrictEqual(yield* letters.redrive(id), { _tag: "Received", delivery: message("2") })
      assert.deepStrictEqual(offered, Array<string>(4).fill(`${alice.peerId} 2`))
      assert.strictEqual((yield* only(letters)).detail, "written by the kernel")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("says what cannot be driven again", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const letters = yield* lettersOf(alice)
      yield* alice.store.addDeadLetters([
        letter(alice.peerId, { body: WireMessage.encodeBody({ _tag: "RedeemUrl", url: "u", replyKey: "k" }) }),
        letter(alice.peerId, { direction: "inbound", body: new Uint8Array(0) })
      ])
      const errors = yield* Effect.forEach(yield* all(letters), ({ id }) => Effect.flip(letters.redrive(id)))
      assert.deepStrictEqual(
        errors.map((error) => (error._tag === "NotRedrivableError" ? error.reason : error._tag)),
        ["NotADelivery", "Unreadable"]
      )
      assert.strictEqual((yield* all(letters)).length, 2)
      assert.strictEqual((yield* Effect.flip(letters.redrive(99)))._tag, "DeadLetterNotFoundError")
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("DeadLettersStored: age", () => {
  /** Nothing is driven again here, so no network is needed. */
  const aged = (config: typeof RemotesConfig.Options.Encoded) =>
    Effect.gen(function* () {
      const store = yield* RemoteStoreMemory.make(RemoteStoreMemory.makeDisk())
      const alice = (yield* startKernel("alice")).peerId
      const remotes = Context.get(yield* Layer.build(Layer.mock(Remotes, { localPeerId: alice })), Remotes)
      const scope = yield* Scope.make()
      yield* TestClock.setTime(40 * day)
      yield* store.addDeadLetters([1, 20, 40].map((at) => letter(alice, { at: at * day })))
      const ages = Effect.map(store.listDeadLetters({ afterId: 0, limit: 9 }), (them) => them.map(({ at }) => at / day))
      return { ages, scope, start: Scope.extend(lettersOf({ remotes, store }, undefined, config), scope) }
    })

  it.scoped("keeps letters for 30 days, looking at start and daily", () =>
    Effect.gen(function* () {
      const { ages, scope, start } = yield* aged({})
      yield* start
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* ages, [20, 40])
      yield* TestClock.adjust(10 * day)
      assert.deepStrictEqual(yield* ages, [20, 40], "a letter of exactly the age is kept")
      yield* TestClock.adjust(day)
      assert.deepStrictEqual(yield* ages, [40])
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(100 * day)
      assert.deepStrictEqual(yield* ages, [40], "nothing goes on after the scope's end")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("keeps letters for as long as it is told", () =>
    Effect.gen(function* () {
      const { ages, start } = yield* aged({ deadLetterMaxAge: "1 day" })
      yield* start
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* ages, [40])
    }).pipe(Effect.provide(layerNetwork))
  )
})

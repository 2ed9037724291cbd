/**
 * A scripted exchange in which a kernel's store is struck at its n-th call, for every n: the kernel dies right before or right
 * after it, or the call fails. Whatever happens, the exchange completes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { StoreUnavailableError } from "../../src/errors/StoreError.ts"
import type { DiskOperation } from "../../src/layers/RemoteStoreMemory.ts"
import type { DeadLetterReason } from "../../src/services/RemoteStore.ts"
import { layerWith, Network } from "../../src/testing/Network.ts"
import type { Handed } from "../support/exchange.ts"
import {
  deliver,
  deliverInTurn,
  deliverUndone,
  isSettled,
  nothingHanded,
  obedient,
  wrongs
} from "../support/exchange.ts"
import { makeFastClock } from "../support/fastClock.ts"
import type { Blow, Name, Site } from "../support/site.ts"
import { makeSite, peerIds } from "../support/site.ts"

/** A blow at one call of one disk. */
interface Strike {
  readonly at: number
  readonly blow: Blow
}

const strikeAt = (strike: Strike | undefined) => (call: number) => (call === strike?.at ? strike.blow : "none")

const step = Effect.sleep("20 millis")

const again = {
  times: 3,
  while: ({ _tag }: { readonly _tag: string }) => _tag === "NetworkStoppedError" || _tag === "StoreUnavailableError"
}

const redeem = (site: Site, url: string, handed: Handed) =>
  site
    .within((kernel) => kernel.remotes.redeemOcapUrl(url))
    .pipe(
      Effect.retry(again),
      Effect.match({
        onFailure: (error) => handed.problems.push(`the redemption failed: ${error.message}`),
        onSuccess: (reference) => {
          if (reference !== "ro+o+7") handed.problems.push(`the redemption gave ${reference}`)
        }
      })
    )

/** Alice's part: twelve messages, one of them refused and some answered, a turn of two, one that is undone, a redemption. */
const aliceScript = (alice: Site, handed: Handed, url: string) =>
  Effect.gen(function* () {
    const network = yield* Network
    const send = (body: string) => Effect.zipRight(deliver(alice, "bob", handed, body), step)
    for (const body of ["a1", "a2?", "a3", "a4!"]) yield* send(body)
    yield* deliverUndone(alice, "bob", handed, "undone")
    yield* deliverInTurn(alice, "bob", handed, ["a5", "a6?"])
    yield* step
    yield* send("a7")
    yield* network.cut(peerIds.alice, peerIds.bob)
    yield* redeem(alice, url, handed)
    for (const body of ["a8", "a9?", "a10"]) yield* send(body)
    yield* Effect.all([deliver(alice, "bob", handed, "a11"), deliver(alice, "bob", handed, "a12")], {
      concurrency: "unbounded"
    })
  })

const bobScript = (bob: Site, handed: Handed) =>
  Effect.forEach(
    ["b1?", "b2", "b3", "b4", "b5", "b6?", "b7", "b8", "b9"],
    (body) => Effect.zipRight(deliver(bob, "alice", handed, body), step),
    { discard: true }
  )

const lettersOf = (site: Site) =>
  site
    .within(({ store }) =>
      Effect.map(store.listDeadLetters({ afterId: 0, limit: 100 }), (letters) =>
        letters.map(({ reason, direction }) => `${direction} ${reason}`)
      )
    )
    .pipe(Effect.retry(again))

const letter = (direction: string, reason: DeadLetterReason) => [`${direction} ${reason}`]

interface Run {
  readonly operations: Readonly<Record<"alice" | "bob", ReadonlyArray<DiskOperation>>>
  readonly wrong: ReadonlyArray<string>
}

/** One exchange under these strikes. */
const exchange = (strikes: Partial<Record<Name, Strike>>) =>
  Effect.gen(function* () {
    const { clock, run } = makeFastClock()
    return yield* Effect.gen(function* () {
      const network = yield* Network
      yield* network.delay("all", "all", { latency: "3 millis" })
      const handed = { alice: nothingHanded(), bob: nothingHanded() }
      const siteOf = (name: "alice" | "bob") =>
        makeSite({ name, onReceive: obedient, blow: strikeAt(strikes[name]), downtime: () => 300 })
      const alice = yield* siteOf("alice")
      const bob = yield* siteOf("bob")
      const script = Effect.gen(function* () {
        yield* bob.start
        yield* alice.start
        const issue = bob.within((kernel) => kernel.remotes.issueOcapUrl("o+7"))
        const url = yield* Effect.retry(issue, again)
        yield* Effect.all([aliceScript(alice, handed.alice, url), bobScript(bob, handed.bob)], {
          concurrency: "unbounded"
        })
        const settled = Effect.all([isSettled(alice, "bob"), isSettled(bob, "alice")])
        yield* Effect.repeat(Effect.delay(settled, "200 millis"), { until: ([one, other]) => one && other })
        yield* Effect.sleep("1 second")
        return { alice: yield* lettersOf(alice), bob: yield* lettersOf(bob) }
      })
      const fiber = yield* Effect.fork(script)
      const isDone = () => fiber.unsafePoll() !== null
      const wrong: Array<string> = []
      if (yield* run(isDone, "3 minutes")) {
        const letters = yield* Fiber.join(fiber)
        const refused = handed.alice.accepted.has("a4!")
        if (refused || letters.bob.length > 0) {
          assert.deepStrictEqual(letters.alice, letter("outbound", "RejectedByPeer"))
          assert.deepStrictEqual(letters.bob, letter("inbound", "RejectedHere"))
        }
      } else wrong.push("it does not end")
      wrong.push(...wrongs(alice, bob, handed.alice), ...wrongs(bob, alice, handed.bob))
      const ending = yield* Effect.fork(Effect.zipRight(alice.stop, bob.stop))
      if (!(yield* run(() => ending.unsafePoll() !== null, "1 minute"))) wrong.push("a kernel does not stop")
      else if (!(yield* network.isIdle)) wrong.push("something is left on the network")
      const result: Run = { operations: { alice: alice.operations, bob: bob.operations }, wrong }
      return result
    }).pipe(Effect.scoped, Effect.provide(layerWith({})), Effect.withClock(clock))
  }).pipe(Effect.withRandom(Random.make("crash points")))

/** Strikes one exchange after the other, and says which went wrong. */
const strikeAll = (strikes: ReadonlyArray<Partial<Record<Name, Strike>>>) =>
  Effect.gen(function* () {
    const failures: Array<string> = []
    for (const each of strikes) {
      const { wrong } = yield* exchange(each)
      if (wrong.length > 0) failures.push(`${JSON.stringify(each)}: ${wrong.join("; ")}`)
    }
    assert.deepStrictEqual(failures, [])
  })

/** The numbers of the calls in an exchange without strikes. */
const callsOf = (side: "alice" | "bob", of?: DiskOperation) =>
  Effect.map(exchange({}), ({ operations, wrong }) => {
    assert.deepStrictEqual(wrong, [])
    return operations[side].flatMap((operation, index) => (of === undefined || of === operation ? [index + 1] : []))
  })

const reasons = ["Busy", "Full", "Failed"] as const
const failing = (at: number): Strike => {
  const reason = reasons[at % reasons.length] ?? "Failed"
  return { at, blow: new StoreUnavailableError({ operation: "what the test says", reason }) }
}

/** A run takes about 60 ms, and the machine may be busy. */
const limit = 120_000

describe("struck at every call of the store, an exchange completes", () => {
  for (const side of ["alice", "bob"] as const) {
    it.effect(
      `when ${side} dies right before it`,
      () =>
        Effect.flatMap(callsOf(side), (calls) => strikeAll(calls.map((at) => ({ [side]: { at, blow: "before" } })))),
      limit
    )
    // After any other operation is before the next one.
    it.effect(
      `when ${side} dies right after a commit`,
      () =>
        Effect.flatMap(callsOf(side, "commit"), (calls) =>
          strikeAll(calls.map((at) => ({ [side]: { at, blow: "after" } })))
        ),
      limit
    )
    it.effect(
      `when ${side}'s store fails at it`,
      () => Effect.flatMap(callsOf(side), (calls) => strikeAll(calls.map((at) => ({ [side]: failing(at) })))),
      limit
    )
  }
  it.effect(
    "when both die",
    () =>
      Effect.flatMap(callsOf("alice", "commit"), (calls) =>
        strikeAll(
          calls.flatMap((at) => [
            { alice: { at, blow: "before" }, bob: { at, blow: "after" } },
            { alice: { at, blow: "after" }, bob: { at: at - 3, blow: "before" } }
          ])
        )
      ),
    limit
  )
})

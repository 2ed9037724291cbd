/**
 * A scripted exchange in which a kernel's store is struck at its n-th call, for every n: the kernel dies right before or right
 * after it, or the call fails. Whatever happens, the exchange completes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { StoreUnavailableError } from "../../src/errors/StoreError.ts"
import type { DiskOperation } from "../../src/layers/RemoteStoreMemory.ts"
import { layerWith, Network } from "../../src/testing/Network.ts"
import type { Handed } from "../support/exchange.ts"
import {
  bodiesFrom,
  buried,
  deliver,
  deliverInTurn,
  deliverWithin,
  deliverUndone,
  isSettled,
  nothingHanded,
  obedient,
  wrongs
} from "../support/exchange.ts"
import { inVirtualTime } from "../support/inVirtualTime.ts"
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

/** While nobody can reach anybody: a message whose deadline passes meanwhile, and one that has time. */
const deadlines = (alice: Site, handed: Handed) =>
  Effect.gen(function* () {
    const network = yield* Network
    yield* Effect.all([network.refuse(peerIds.alice), network.refuse(peerIds.bob)])
    yield* network.cut("all", "all")
    yield* step
    yield* deliverWithin(alice, "bob", handed, "late~", "100 millis")
    yield* deliverWithin(alice, "bob", handed, "patient~", "1 hour")
    yield* Effect.sleep("200 millis")
    yield* Effect.all([network.welcome(peerIds.alice), network.welcome(peerIds.bob)])
  })

/**
 * Alice's part: twelve messages, one of them refused and some answered, a turn of two, one that is undone, a redemption, and
 * two with a deadline.
 */
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
    yield* deadlines(alice, handed)
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

/** What is on record of the refused message and of the one whose deadline passed, where it does not fit to what arrived. */
const wrongLetters = (alice: Site, bob: Site, handed: Handed) =>
  Effect.gen(function* () {
    const letters = { alice: yield* Effect.retry(buried(alice), again), bob: yield* Effect.retry(buried(bob), again) }
    const reported = letters.alice.filter(({ reason }) => reason === "RejectedByPeer")
    const expired = letters.alice.filter(({ reason }) => reason === "Expired")
    const arrived = bodiesFrom(bob.committed, "alice")
    const found: Array<string> = []
    const expect = (right: boolean, what: string) => {
      if (!right) found.push(`${what}: ${JSON.stringify(letters)}`)
    }
    expect(reported.length + expired.length === letters.alice.length, "letters for no reason")
    const refused = handed.accepted.has("a4!") || letters.bob.length > 0 ? 1 : 0
    expect(reported.length === refused, "the refusal is not reported once")
    expect(
      letters.bob.filter(({ reason }) => reason === "RejectedHere").length === refused,
      "the refusal is not on record"
    )
    for (const body of ["late~", "patient~"]) {
      const ends = [...arrived, ...expired.map((it) => it.body)].filter((it) => it === body).length
      expect(ends === 1 || (ends === 0 && !handed.accepted.has(body)), `${body} has ${ends} ends`)
    }
    expect(
      expired.every(({ body }) => body === "late~"),
      "expired before its time"
    )
    return { expired: expired.map(({ body }) => body), found }
  })

interface Run {
  readonly operations: Readonly<Record<"alice" | "bob", ReadonlyArray<DiskOperation>>>
  /** The messages whose deadline passed. */
  readonly expired: ReadonlyArray<string>
  readonly wrong: ReadonlyArray<string>
}

const playExchange = (strikes: Partial<Record<Name, Strike>>) =>
  Effect.gen(function* () {
    const network = yield* Network
    yield* network.delay("all", "all", { latency: "3 millis" })
    const handed = { alice: nothingHanded(), bob: nothingHanded() }
    const siteOf = (name: "alice" | "bob") =>
      makeSite({ name, onReceive: obedient, blow: strikeAt(strikes[name]), downtime: () => 300 })
    const alice = yield* siteOf("alice")
    const bob = yield* siteOf("bob")
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
    const { expired, found: wrong } = yield* wrongLetters(alice, bob, handed.alice)
    wrong.push(...wrongs(alice, bob, handed.alice), ...wrongs(bob, alice, handed.bob))
    yield* Effect.zipRight(alice.stop, bob.stop)
    if (!(yield* network.isIdle)) wrong.push("something is left on the network")
    const run: Run = { operations: { alice: alice.operations, bob: bob.operations }, expired, wrong }
    return run
  }).pipe(Effect.scoped, Effect.provide(layerWith({})))

const endless: Run = { operations: { alice: [], bob: [] }, expired: [], wrong: ["it does not end"] }

/** One exchange under these strikes. */
const exchange = (strikes: Partial<Record<Name, Strike>>) =>
  playExchange(strikes).pipe(inVirtualTime("crash points", "10 minutes"), Effect.map(Option.getOrElse(() => endless)))

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
  Effect.map(exchange({}), ({ expired, operations, wrong }) => {
    assert.deepStrictEqual({ expired, wrong }, { expired: ["late~"], wrong: [] })
    return operations[side].flatMap((operation, index) => (of === undefined || of === operation ? [index + 1] : []))
  })

const reasons = ["Busy", "Full", "Failed"] as const
const failing = (at: number): Strike => {
  const reason = reasons[at % reasons.length] ?? "Failed"
  return { at, blow: new StoreUnavailableError({ operation: "what the test says", reason }) }
}

/** A run takes about 20 ms, and the machine may be busy. */
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

/**
 * Two kernels talk; then one of them, or both, go on with an older copy of their disk or with an empty one. Are both told, and
 * does what is said from then on arrive?
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Disk, DiskOperation } from "../../src/layers/RemoteStoreMemory.ts"
import { layerWith, Network } from "../../src/testing/Network.ts"
import type { Handed } from "./exchange.ts"
import { bodiesFrom, buried, deliver, isSettled, nothingHanded } from "./exchange.ts"
import { inVirtualTime } from "./inVirtualTime.ts"
import type { Blow, Entry, Site } from "./site.ts"
import { makeSite, peerIds } from "./site.ts"

export type Side = "alice" | "bob"

const otherOf = (side: Side): Side => (side === "alice" ? "bob" : "alice")

/** What a kernel goes on with: the copy after its n-th commit, or nothing at all. */
export type Restored = { readonly _tag: "Copy"; readonly commit: number } | { readonly _tag: "Empty" }

export interface Scenario {
  readonly restored: Partial<Record<Side, Restored>>
  /** Whether both sides hand in messages after the restart and before they can reach each other. */
  readonly offline: boolean
  /** Strikes a disk at its n-th operation after the restart. */
  readonly strike?: { readonly side: Side; readonly at: number; readonly blow: Blow }
}

export interface Outcome {
  readonly wrong: ReadonlyArray<string>
  /** What each side was told in the life that it remembers, after the restart. */
  readonly told: Readonly<Record<Side, ReadonlyArray<string>>>
  /** What was asked of each disk from the restart on until both were at rest. */
  readonly operations: Readonly<Record<Side, ReadonlyArray<DiskOperation>>>
}

interface Snapshot {
  readonly disk: Disk
  readonly committed: ReadonlyArray<Entry>
}

const sides = ["alice", "bob"] as const

const pause = Effect.sleep("30 millis")

const sendAll = (site: Site, handed: Handed, bodies: ReadonlyArray<string>) =>
  Effect.forEach(bodies, (body) =>
    Effect.zipRight(deliver(site, otherOf(site.name === "bob" ? "bob" : "alice"), handed, body), pause)
  )

/** The bodies of the messages that ended as dead letters of the sender's. */
const buriedBy = (site: Site) =>
  Effect.map(Effect.orDie(Effect.retry(buried(site), { times: 3 })), (letters) =>
    letters.flatMap(({ body, direction }) => (direction === "outbound" ? [body] : []))
  )

/** What was handed in by a kernel that remembers it, and is neither with the peer nor a dead letter, or both. */
const unaccounted = (
  bodies: Iterable<string>,
  received: ReadonlyArray<string>,
  letters: ReadonlyArray<string>
): ReadonlyArray<string> =>
  [...bodies].flatMap((body) => {
    const times = received.filter((it) => it === body).length
    if (times > 1) return [`doubled: ${body}`]
    return times === 0 && !letters.includes(body) ? [`silently lost: ${body}`] : []
  })

const playScenario = ({ offline, restored, strike }: Scenario) =>
  Effect.gen(function* () {
    const network = yield* Network
    yield* network.delay("all", "all", { latency: 3 })
    const handed = { alice: nothingHanded(), bob: nothingHanded() }
    const snapshots: Record<Side, Array<Snapshot>> = { alice: [], bob: [] }
    const from = { alice: Infinity, bob: Infinity }
    let copying = true
    const siteOf = (name: Side) =>
      makeSite({
        name,
        downtime: () => 200,
        onCommit: (site) => {
          if (copying) snapshots[name].push({ disk: Effect.runSync(site.disk().copy), committed: [...site.committed] })
        },
        blow: (call) => (strike?.side === name && call === from[name] + strike.at ? strike.blow : "none")
      })
    const site = { alice: yield* siteOf("alice"), bob: yield* siteOf("bob") }
    const settled = Effect.repeat(
      Effect.delay(Effect.all([isSettled(site.alice, "bob"), isSettled(site.bob, "alice")]), "200 millis"),
      { until: ([one, other]) => one && other }
    )
    const both = (phase: string, count: number) =>
      Effect.forEach(
        sides,
        (side) =>
          sendAll(
            site[side],
            handed[side],
            Array.from({ length: count }, (_, index) => `${side}-${phase}${index + 1}`)
          ),
        { concurrency: "unbounded", discard: true }
      )

    const past = Effect.gen(function* () {
      yield* Effect.all([site.alice.start, site.bob.start])
      yield* both("past", 4)
      yield* Effect.zipRight(settled, Effect.sleep("1 second"))
      copying = false
      for (const side of sides) {
        if (restored[side] !== undefined) yield* site[side].stop
      }
      if (offline) yield* Effect.all([network.refuse(peerIds.alice), network.refuse(peerIds.bob)])
      yield* network.cut("all", "all")
      for (const side of sides) {
        const choice = restored[side]
        if (choice === undefined) continue
        const snapshot = choice._tag === "Copy" ? snapshots[side][choice.commit - 1] : undefined
        if (snapshot === undefined) yield* site[side].loseDisk
        else site[side].replaceDisk(snapshot.disk, snapshot.committed)
      }
    })
    const remembered = () => ({ alice: site.alice.committed.length, bob: site.bob.committed.length })
    const present = Effect.gen(function* () {
      for (const side of sides) {
        from[side] = site[side].operations.length
        if (restored[side] !== undefined) yield* site[side].start
      }
      if (offline) {
        yield* both("offline", 2)
        yield* Effect.all([network.welcome(peerIds.alice), network.welcome(peerIds.bob)])
      }
      // Whoever went back in time need not know it before there is something to say.
      yield* both("first", 1)
      yield* Effect.zipRight(settled, Effect.sleep("15 seconds"))
      yield* Effect.zipRight(settled, Effect.sleep("1 second"))
      return { alice: yield* buriedBy(site.alice), bob: yield* buriedBy(site.bob) }
    })
    const wrong: Array<string> = []
    yield* past
    const before = remembered()
    const letters = yield* present
    const operations = {
      alice: site.alice.operations.slice(from.alice),
      bob: site.bob.operations.slice(from.bob)
    }
    const told = {
      alice: site.alice.committed.slice(before.alice).flatMap((it) => (it._tag === "Forgot" ? [it.why] : [])),
      bob: site.bob.committed.slice(before.bob).flatMap((it) => (it._tag === "Forgot" ? [it.why] : []))
    }
    yield* Effect.zipRight(both("future", 5), settled)
    for (const side of sides) {
      const other = otherOf(side)
      const received = bodiesFrom(site[other].committed, side)
      const said = [...handed[side].accepted.keys()]
      const lasting = restored[side] === undefined ? said : said.filter((body) => !body.includes("past"))
      const lossless = lasting.filter(
        (body) =>
          restored[other] === undefined || told[other].length + told[side].length === 0 || !body.includes("past")
      )
      wrong.push(...unaccounted(lossless, received, letters[side]).map((it) => `${side} → ${other} ${it}`))
      const future = received.filter((body) => body.includes("future"))
      if (future.length !== 5) wrong.push(`${side} → ${other} future: ${future.join(" ")}`)
      wrong.push(...handed[side].problems)
    }
    yield* Effect.zipRight(site.alice.stop, site.bob.stop)
    const outcome: Outcome = { wrong, told, operations }
    return outcome
  }).pipe(Effect.scoped, Effect.provide(layerWith({})))

const endless: Outcome = {
  wrong: ["it does not end"],
  told: { alice: [], bob: [] },
  operations: { alice: [], bob: [] }
}

/** Plays it from the first contact until both have stopped. */
export const play = (scenario: Scenario): Effect.Effect<Outcome> =>
  playScenario(scenario).pipe(inVirtualTime("rollback", "10 minutes"), Effect.map(Option.getOrElse(() => endless)))

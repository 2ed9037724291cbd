/**
 * Kernels that talk while everything goes wrong that a seed can think of, and the question whether all of it arrived.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { StoreUnavailableError } from "../../src/errors/StoreError.ts"
import { KernelBusy } from "../../src/services/KernelPort.ts"
import { layerWith, Network } from "../../src/testing/Network.ts"
import type { Handed } from "./exchange.ts"
import { deliver, deliverInTurn, deliverUndone, isSettled, nothingHanded, obedient, wrongs } from "./exchange.ts"
import { makeFastClock } from "./fastClock.ts"
import type { Blow, Name, Site } from "./site.ts"
import { makeSite, peerIds } from "./site.ts"

export interface SoakOptions {
  readonly seed: number
  readonly kernels: ReadonlyArray<Name>
  /** For how long things go wrong, in seconds of virtual time. */
  readonly seconds: number
}

interface Pair {
  readonly from: Site
  readonly to: Site
  readonly handed: Handed
}

const between = (least: number, most: number) => Random.nextRange(least, most)
const chance = (probability: number) => Effect.map(Random.next, (drawn) => drawn < probability)
const oneOf = <A>(choices: ReadonlyArray<A>): Effect.Effect<A> =>
  Effect.map(Random.nextIntBetween(0, choices.length), (index) => choices[index]!)
const sleep = (least: number, most: number) => Effect.flatMap(between(least, most), (millis) => Effect.sleep(millis))

/** How a message may end: plain, answered, refused, the handler dies, is busy for a while, or takes its time. */
const kinds = ["", "", "", "", "", "", "?", "?", "!", "#", "~", "z"] as const

const handler =
  (busy: Map<string, number>) => (from: Name, body: string, reply: (body: string) => Effect.Effect<void, KernelBusy>) =>
    Effect.gen(function* () {
      if (body.endsWith("#")) return yield* Effect.dieMessage("dies on purpose")
      if (body.endsWith("z")) return yield* sleep(10, 3000)
      if (body.endsWith("~")) {
        const left = busy.get(body) ?? (yield* Random.nextIntBetween(1, 5))
        busy.set(body, left - 1)
        return left > 0 ? yield* new KernelBusy({}) : undefined
      }
      return yield* obedient(from, body, reply)
    })

const talk = ({ from, handed, to }: Pair, isOver: () => boolean) =>
  Effect.gen(function* () {
    let count = 0
    const next = Effect.map(oneOf(kinds), (kind) => `${from.name}-${to.name}-${++count}${kind}`)
    const turns = [
      Effect.flatMap(next, (body) => deliver(from, to.name, handed, body)),
      Effect.flatMap(Effect.replicateEffect(next, 3), (bodies) => deliverInTurn(from, to.name, handed, bodies)),
      Effect.flatMap(Effect.replicateEffect(next, 20), (bodies) =>
        Effect.forEach(bodies, (body) => deliver(from, to.name, handed, body), { concurrency: 7 })
      ),
      deliverUndone(from, to.name, handed, "undone")
    ]
    yield* sleep(0, 2000)
    while (!isOver()) {
      yield* Effect.flatMap(oneOf([0, 0, 0, 1, 1, 2, 3]), (index) => turns[index]!)
      yield* sleep(0, (yield* chance(0.1)) ? 15_000 : 700)
    }
  })

/** One fault, which lasts until it has passed. */
const fault = (sites: ReadonlyArray<Site>, weak: Map<Name, number>, mortal: Map<Name, number>) =>
  Effect.gen(function* () {
    const network = yield* Network
    const [one, other] = (yield* Random.shuffle(sites)).pipe((all) => [...all])
    if (one === undefined || other === undefined) return
    const [a, b] = [peerIds[one.name], peerIds[other.name]]
    const lasting = (begin: Effect.Effect<void>, end: Effect.Effect<void>, most: number) =>
      Effect.zipRight(Effect.zipRight(begin, sleep(100, most)), end)
    const dials = yield* oneOf(["hang", "unreachable"] as const)
    const [latency, jitter] = [yield* between(0, 400), yield* between(0, 200)]
    const kill = Effect.suspend(() => (one.isUp() ? one.kill : Effect.void))
    const faults = [
      network.cut(a, b),
      network.reset(a, b),
      kill,
      kill,
      lasting(network.silence(a, b, { dials }), network.heal(a, b), 25_000),
      lasting(network.partition([[a], [b]], { dials }), network.heal(), 25_000),
      lasting(network.delay(a, b, { latency, jitter }), network.delay(a, b, { latency: 0 }), 10_000),
      lasting(network.delay(a, b, { latency: 5, bytesPerSecond: 400 }), network.delay(a, b, { latency: 0 }), 10_000),
      lasting(network.duplicateDials(a, b, 2), network.duplicateDials(a, b, 0), 10_000),
      lasting(network.refuse(a), network.welcome(a), 15_000),
      lasting(network.hang(a), network.welcome(a), 15_000),
      lasting(
        Effect.sync(() => mortal.set(one.name, 1)),
        Effect.sync(() => mortal.set(one.name, 0)),
        5000
      ),
      lasting(
        Effect.sync(() => weak.set(one.name, 0.2)),
        Effect.sync(() => weak.set(one.name, 0)),
        5000
      ),
      lasting(
        Effect.sync(() => weak.set(one.name, 1)),
        Effect.sync(() => weak.set(one.name, 0)),
        8000
      ),
      Effect.suspend(() =>
        one.isUp() ? Effect.zipRight(one.stop, Effect.zipRight(sleep(0, 5000), one.start)) : Effect.void
      )
    ]
    yield* oneOf(faults).pipe(Effect.flatten)
  })

export interface Soaked {
  readonly wrong: ReadonlyArray<string>
  /** How many messages were committed by their receivers, and how often a kernel died: to see that the run is worth something. */
  readonly received: number
  readonly deaths: number
}

/** Runs it. */
export const soak = ({ kernels, seconds, seed }: SoakOptions): Effect.Effect<Soaked> => {
  const { clock, now, run } = makeFastClock()
  return Effect.gen(function* () {
    const network = yield* Network
    const dice = Random.make(`${seed} blows`)
    const weak = new Map<Name, number>()
    const mortal = new Map<Name, number>()
    const blow = (name: Name) => (): Blow => {
      if (mortal.get(name) && Effect.runSync(dice.next) < 0.02)
        return Effect.runSync(dice.nextBoolean) ? "before" : "after"
      const probability = weak.get(name) ?? 0
      if (probability === 0) return "none"
      const drawn = Effect.runSync(dice.next)
      if (drawn >= probability) return "none"
      const reason = drawn < probability / 2 ? "Busy" : "Failed"
      return new StoreUnavailableError({ operation: "what the test says", reason })
    }
    const config = {
      ...(yield* oneOf([{}, {}, { maxPendingMessages: 15 }, { maxPendingBytes: 4096 }])),
      ...(yield* oneOf([{}, {}, { streamInactivityTimeout: "5 seconds" } as const])),
      ...(yield* oneOf([{}, {}, { ackTimeout: "2 seconds", handshakeTimeout: "1 second" } as const]))
    }
    const sites: Array<Site> = []
    for (const name of kernels) {
      const onReceive = handler(new Map())
      sites.push(
        yield* makeSite({
          name,
          onReceive,
          config,
          blow: blow(name),
          downtime: () => Effect.runSync(dice.nextRange(0, 4000))
        })
      )
    }
    const pairs = sites.flatMap((from) =>
      sites.flatMap((to): ReadonlyArray<Pair> => (from === to ? [] : [{ from, to, handed: nothingHanded() }]))
    )
    const isOver = () => now() >= seconds * 1000
    const trouble = Effect.whileLoop({
      while: () => !isOver(),
      body: () => Effect.zipRight(sleep(0, 2500), fault(sites, weak, mortal)),
      step: () => undefined
    })
    const settledAll = Effect.forEach(pairs, ({ from, to }) => isSettled(from, to.name))
    const story = Effect.gen(function* () {
      yield* network.delay("all", "all", { latency: 3, jitter: 2 })
      for (const site of sites) yield* site.start
      yield* Effect.all([...pairs.map((pair) => talk(pair, isOver)), trouble, trouble, trouble], {
        concurrency: "unbounded",
        discard: true
      })
      yield* network.restore
      weak.clear()
      mortal.clear()
      yield* Effect.repeat(Effect.delay(settledAll, "1 second"), { until: (all) => all.every(Boolean) })
      yield* Effect.sleep("1 second")
    })
    const wrong: Array<string> = []
    const telling = yield* Effect.fork(story)
    if (!(yield* run(() => telling.unsafePoll() !== null, `${seconds + 240} seconds`))) {
      wrong.push("not everything is acknowledged")
      for (const { from, to } of pairs) {
        if (!from.isUp()) wrong.push(`${from.name} is down`)
        else {
          const kernel = yield* from.kernel
          const handle = (yield* kernel.remotes.list).find(({ peerId }) => peerId === peerIds[to.name])
          wrong.push(`${from.name}: ${JSON.stringify(handle)}`)
        }
      }
      yield* Fiber.interruptFork(telling)
    } else yield* Fiber.join(telling)
    for (const { from, handed, to } of pairs) wrong.push(...wrongs(from, to, handed))
    const ending = yield* Effect.fork(Effect.forEach(sites, (site) => site.stop, { discard: true }))
    if (!(yield* run(() => ending.unsafePoll() !== null, "1 minute"))) wrong.push("a kernel does not stop")
    else if (!(yield* network.isIdle)) wrong.push("something is left on the network")
    const received = sites.flatMap(({ committed }) => committed.filter(({ _tag }) => _tag === "Received")).length
    return { wrong, received, deaths: sites.reduce((sum, site) => sum + site.deaths(), 0) }
  }).pipe(Effect.scoped, Effect.provide(layerWith({})), Effect.withClock(clock), Effect.withRandom(Random.make(seed)))
}

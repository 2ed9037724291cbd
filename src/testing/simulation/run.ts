import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import * as Key from "../../internal/identityKey.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { DeadLetterReason } from "../../services/RemoteStore.ts"
import type * as RemotesConfig from "../../services/RemotesConfig.ts"
import { Entropy } from "../../services/Entropy.ts"
import * as ConnectionFactoryMemory from "../../layers/ConnectionFactoryMemory.ts"
import * as Network from "../Network.ts"
import * as VirtualTime from "../VirtualTime.ts"
import type { ChaosEvent } from "./chaos.ts"
import * as Chaos from "./chaos.ts"
import * as Dices from "./dice.ts"
import * as BaseSpeakers from "./baseSpeaker.ts"
import { play } from "./faults.ts"
import { Fibers } from "./fibers.ts"
import { History } from "./history.ts"
import type { Fault, FaultKind } from "./kinds.ts"
import type { Life, Program } from "./life.ts"
import { textOf } from "./life.ts"
import type { Remains } from "./oracle.ts"
import { judge, letterKey } from "./oracle.ts"
import type { World } from "./scene.ts"
import type { Site } from "./site.ts"
import * as Sites from "./site.ts"
import type { TraceEvent } from "./trace.ts"
import { Trace } from "./trace.ts"
import { Weather } from "./weather.ts"
import { isSettled, obedient, talk } from "./workload.ts"

/**
 * A run, to the last detail: the same plan goes the same way.
 *
 * @internal
 */
export interface Plan {
  readonly seed: number
  /** The kernels by name; those without a program of their own do as they are told by messages that the harness makes. */
  readonly kernels: ReadonlyMap<string, Program | undefined>
  /** What the kernels do while things go wrong; the harness has them talk with each other if it is missing. */
  readonly workload: ((kernels: Kernels) => Effect.Effect<unknown, unknown>) | undefined
  /** Looks at the kernels once everything is settled; gives what is wrong. */
  readonly check: ((kernels: Kernels) => ReadonlyArray<string>) | undefined
  readonly config: typeof RemotesConfig.Options.Encoded
  /** By which relays alone kernels can be reached; the others can be dialed themselves. */
  readonly relays: ReadonlyMap<string, ReadonlyArray<string>>
  /** The name of a further peer that speaks the base profile to the first of the kernels, if there is one. */
  readonly baseSpeaker: string | undefined
  readonly faults: ReadonlyArray<Fault>
  /** For how long kernels talk and faults begin, in seconds. */
  readonly seconds: number
  /** Within how many seconds everything must have an outcome once faults have ended. */
  readonly settleWithin: number
  readonly keepsTrace: boolean
}

/**
 * The kernels of a run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Kernels {
  readonly names: ReadonlyArray<string>
  /** Works with the kernel of this name in the life that it is in, or waits for its next one; fails when it dies meanwhile. */
  readonly within: <A, E>(
    name: string,
    work: (life: Life) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | NetworkStoppedError>
  /** What the kernel has noted in turns that committed. */
  readonly notes: (name: string) => ReadonlyArray<string>
  /** The texts of the messages that it has received and committed, in order, from everybody. */
  readonly received: (name: string) => ReadonlyArray<string>
}

/**
 * What came of a run.
 *
 * @internal
 */
export interface Result {
  readonly wrong: ReadonlyArray<string>
  readonly hash: string
  readonly events: ReadonlyArray<TraceEvent>
  /** How often a fault of each kind had an effect. */
  readonly happened: ReadonlyMap<FaultKind, number>
  readonly messages: number
  readonly deaths: number
  /** How much virtual time it took, in milliseconds. */
  readonly virtualTime: number
}

const chaosKinds: Record<ChaosEvent, FaultKind> = {
  busy: "storeBusy",
  full: "storeFull",
  failed: "storeFails",
  diesBefore: "crashBefore",
  diesAfter: "crashAfter",
  throws: "handlerThrows",
  rejects: "handlerRejects",
  isBusy: "handlerBusy",
  isSlow: "slowReader"
}

const seedOf = (name: string): string =>
  Encoding.encodeHex(
    Uint8Array.from({ length: Key.keyLength }, (_, index) => name.charCodeAt(index % name.length) & 0xff)
  )

const known = new Map<string, PeerId>()

/** Its key makes the name of a kernel, and takes its time. */
const peerIdOf = (name: string): Effect.Effect<PeerId> =>
  Effect.suspend(() => {
    const peerId = known.get(name)
    if (peerId !== undefined) return Effect.succeed(peerId)
    return Key.fromHex(Redacted.make(seedOf(name))).pipe(
      Effect.flatMap(Key.peerIdOf),
      Effect.orDie,
      Effect.tap((it) => Effect.sync(() => known.set(name, it)))
    )
  })

const entropyOf = (dice: Dices.Dice) => ({
  bytes: (length: number) => Effect.sync(() => Uint8Array.from({ length }, () => dice.whole(0, 255)))
})

interface Letter {
  readonly key: string
  readonly isOurs: boolean
  readonly reason: DeadLetterReason
}

const lettersOf = (site: Site) =>
  Effect.map(
    site.within((life) =>
      Effect.map(life.store.listDeadLetters({ afterId: 0, limit: 10_000 }), (letters) =>
        letters.flatMap((it): ReadonlyArray<Letter> => {
          const content = WireMessage.decodeBody(it.body)
          if (content._tag !== "Deliver") return []
          const key = letterKey(life.nameOf(it.peerId), textOf(content.delivery))
          return [{ key, isOurs: it.direction === "outbound", reason: it.reason }]
        })
      )
    ),
    (letters) => ({
      letters: new Map(letters.flatMap(({ isOurs, key, reason }) => (isOurs ? [[key, reason] as const] : []))),
      refused: new Set(letters.flatMap(({ isOurs, key }) => (isOurs ? [] : [key])))
    })
  )

interface Cast {
  readonly plan: Plan
  readonly time: VirtualTime.VirtualTime
  readonly history: History
  readonly trace: Trace
  readonly sites: ReadonlyMap<string, Site>
  readonly happened: Map<FaultKind, number>
  readonly world: World
  readonly baseSpeaker: BaseSpeakers.BaseSpeaker | undefined
}

const ordinary = { latency: 3, jitter: 2 }

const makeCast = (plan: Plan, time: VirtualTime.VirtualTime): Effect.Effect<Cast, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { config, seed } = plan
    const history = new History()
    const trace = new Trace(time.now, plan.keepsTrace)
    const happened = new Map<FaultKind, number>()
    const failedDials = new Map<PeerId, number>()
    const note = (kind: FaultKind) => void happened.set(kind, (happened.get(kind) ?? 0) + 1)
    const peers = new Map<string, PeerId>()
    const { baseSpeaker, relays } = plan
    const names = [...plan.kernels.keys(), ...(baseSpeaker === undefined ? [] : [baseSpeaker])]
    for (const name of names) peers.set(name, yield* peerIdOf(name))
    const nameOf = (peer: string) => [...peers].find(([, it]) => it === peer)?.[0] ?? peer
    const network = yield* Network.make({
      logSize: 0,
      onEvent: ({ detail, event, from, to }) => {
        const short = detail.startsWith("/memory/") ? "" : ` ${detail}`
        trace.add("network", `${event} ${nameOf(from)} → ${nameOf(to)}${short}`)
        if (event === "dialFailed" && to !== "all") failedDials.set(to, (failedDials.get(to) ?? 0) + 1)
      }
    })
    const hintsFor = (peer: PeerId): ReadonlyArray<string> =>
      relays.get(nameOf(peer))?.map((relay) => ConnectionFactoryMemory.relayedAddressOf(peer, relay)) ?? [
        ConnectionFactoryMemory.addressOf(peer)
      ]
    const sites = new Map<string, Site>()
    for (const [name, program] of plan.kernels) {
      const dice = Dices.make(seed, `kernel ${name}`)
      sites.set(
        name,
        yield* Effect.provideService(
          Sites.make({
            name,
            peerId: yield* peerIdOf(name),
            keySeed: Redacted.make(seedOf(name)),
            program: program ?? obedient(Dices.make(seed, `handler ${name}`)),
            config,
            peers,
            relays: relays.get(name),
            hintsFor,
            time,
            chaos: Chaos.none(dice, (what) => note(chaosKinds[what])),
            history,
            trace
          }),
          Network.Network,
          network
        )
      )
    }
    let count = 0
    const world: World = {
      network,
      sites,
      history,
      weather: new Weather(time.now),
      config,
      hintsFor,
      ordinary,
      happened: note,
      failedDials: (peer) => failedDials.get(peer) ?? 0,
      fresh: () => ++count
    }
    const [to] = sites.values()
    const speaker =
      baseSpeaker === undefined || to === undefined
        ? undefined
        : yield* Effect.provideService(
            BaseSpeakers.make({
              name: baseSpeaker,
              peerId: yield* peerIdOf(baseSpeaker),
              to,
              dice: Dices.make(seed, baseSpeaker),
              world,
              now: time.now,
              isOver: () => time.now() >= plan.seconds * 1000
            }),
            Network.Network,
            network
          )
    return { plan, time, history, trace, sites, happened, world, baseSpeaker: speaker }
  })

const kernelsOf = ({ sites }: Cast): Kernels => {
  const siteOf = (name: string): Site => {
    const site = sites.get(name)
    if (site === undefined) throw new Error(`the simulation has no kernel ${name}`)
    return site
  }
  return {
    names: [...sites.keys()],
    within: (name, work) => siteOf(name).within(work),
    notes: (name) =>
      siteOf(name)
        .committed()
        .flatMap((it) => (it._tag === "Noted" ? [it.note] : [])),
    received: (name) =>
      siteOf(name)
        .committed()
        .flatMap((it) => (it._tag === "Received" ? [it.text] : []))
  }
}

const ways = (sites: Cast["sites"]): ReadonlyArray<readonly [Site, Site]> =>
  [...sites.values()].flatMap((from) => [...sites.values()].flatMap((to) => (from === to ? [] : [[from, to] as const])))

/** They talk, and what can go wrong does. */
const trouble = (cast: Cast) =>
  Effect.gen(function* () {
    const { history, plan, sites, time, world } = cast
    const scope = yield* Effect.scope
    const isOver = () => time.now() >= plan.seconds * 1000
    yield* world.network.delay("all", "all", ordinary)
    for (const site of sites.values()) yield* site.start
    if (cast.baseSpeaker !== undefined) yield* Effect.forkIn(cast.baseSpeaker.speak, scope)
    const dice = Dices.make(plan.seed, "workload")
    const rest = 2000 + 60_000 * dice.next()
    const talks = ways(sites).map(([from, { name: to }]) =>
      talk({ from, to, dice: Dices.make(plan.seed, `${from.name} ${to}`), history, rest, scope }, isOver)
    )
    const work = plan.workload === undefined ? talks : [Effect.orDie(plan.workload(kernelsOf(cast)))]
    yield* Effect.all([...work, ...plan.faults.map((fault) => play(world, fault))], {
      concurrency: "unbounded",
      discard: true
    })
  })

/** All is well again: every kernel is there, and every link may be used. */
const calm = ({ sites, world }: Cast) =>
  Effect.gen(function* () {
    yield* world.network.restore
    yield* world.network.delay("all", "all", ordinary)
    for (const site of sites.values()) {
      Chaos.calm(site.chaos)
      site.wake()
      yield* site.start
    }
    yield* Effect.forEach(ways(sites), ([from, to]) => {
      const meet = from.within(({ transport }) => transport.reconnectPeer(to.peerId, world.hintsFor(to.peerId)))
      return Effect.retry(meet, { times: 3 })
    })
  })

/** A last word each way, so that whoever went back in time is found out. */
const lastWords = ({ sites }: Cast) =>
  Effect.forEach(
    ways(sites),
    ([from, to]) =>
      Effect.retry(
        from.within((life) => life.send(to.name, `last ${from.name}-${to.name}`)),
        { times: 3 }
      ),
    { concurrency: "unbounded", discard: true }
  )

const settledAll = ({ baseSpeaker, sites }: Cast) =>
  Effect.map(
    Effect.forEach(ways(sites), ([from, to]) => isSettled(from, to.name)),
    (all) => all.every(Boolean) && (baseSpeaker?.isSettled() ?? true)
  )

const settle = (cast: Cast) =>
  Effect.gen(function* () {
    yield* calm(cast)
    yield* lastWords(cast)
    yield* Effect.repeat(Effect.delay(settledAll(cast), 500), { until: (it) => it })
    // What was acknowledged to one may have to settle at the other.
    yield* Effect.sleep(1000)
    yield* Effect.repeat(Effect.delay(settledAll(cast), 500), { until: (it) => it })
  })

const remainsOf = ({ sites }: Cast) =>
  Effect.forEach(sites.values(), (site) =>
    Effect.map(Effect.retry(lettersOf(site), { times: 3 }), (letters): Remains => ({
      name: site.name,
      committed: site.committed(),
      ...letters,
      failure: site.failure()
    }))
  )

/** How each kernel stands with the others, for people who wonder why nothing goes on. */
const statusOf = ({ sites }: Cast) =>
  Effect.forEach(sites.values(), (site) =>
    site.isUp()
      ? Effect.map(
          site
            .within((life) => Effect.flatMap(life.remotes, (remotes) => remotes.list))
            .pipe(Effect.orElseSucceed(() => [])),
          (all) =>
            all.map(
              ({ acknowledgedSeq, held, link, nextSeq, pendingMessages, receivedSeq }) =>
                `${site.name}: ${JSON.stringify({ link: link._tag, pendingMessages, nextSeq, acknowledgedSeq, receivedSeq, held })}`
            )
        )
      : Effect.succeed([`${site.name} is down`])
  ).pipe(Effect.map((all) => all.flat()))

/** Runs a part of a run to its end; where that does not come in time, what it is called goes on record. */
type Within = <A, E>(
  effect: Effect.Effect<A, E, Scope.Scope>,
  seconds: number,
  what: string
) => Effect.Effect<A | undefined, never, Scope.Scope>

/** Stops everything, and looks whether anything is left: a channel, a timer, a fiber. */
const leftovers = ({ sites, time, world }: Cast, within: Within, fibers: Fibers) =>
  Effect.gen(function* () {
    const found: Array<string> = []
    yield* within(
      Effect.forEach(sites.values(), (site) => site.stop, { concurrency: "unbounded", discard: true }),
      60,
      "a kernel does not stop"
    )
    yield* time.run(() => false, 2000)
    if (!(yield* world.network.isIdle)) found.push("something is left on the network")
    if (time.sleeping() > 0) found.push(`${time.sleeping()} timers are left`)
    if (fibers.alive() > 0) found.push(`${fibers.alive()} fibers are left`)
    return found
  })

/** Fibers that say that they died have a bug, whatever becomes of the messages. */
const deadly = ["a remote's fiber died", "a link attempt died", "a link stopped"]

const loggerFor = (trace: () => Trace | undefined, wrong: Array<string>) =>
  Logger.make(({ annotations, cause, logLevel, message }) => {
    if (!LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) return
    const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
    trace()?.add("log", text)
    if (deadly.some((it) => text.startsWith(it))) {
      wrong.push(
        `${text} (${String(Option.getOrElse(HashMap.get(annotations, "peer"), () => ""))}): ${Cause.pretty(cause)}`
      )
    }
  })

const playIn = (time: VirtualTime.VirtualTime, plan: Plan): Effect.Effect<Result, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fibers = new Fibers()
    const wrong: Array<string> = []
    const told: { trace?: Trace } = {}
    // The loggers of programs would print what is legitimate in a run.
    const logging = Layer.mergeAll(
      Logger.remove(Logger.prettyLoggerDefault),
      Logger.replace(
        Logger.defaultLogger,
        loggerFor(() => told.trace, wrong)
      )
    )
    const inside = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.supervised(time.within(Effect.provide(effect, logging)), fibers)
    const within: Within = (effect, seconds, what) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkScoped(inside(effect))
        const ended = yield* time.run(() => fiber.unsafePoll() !== null, seconds * 1000)
        const exit = ended ? yield* Fiber.await(fiber) : Exit.interrupt(FiberId.none)
        if (Exit.isSuccess(exit)) return exit.value
        wrong.push(ended ? `${what}: ${Cause.pretty(exit.cause)}` : what)
        yield* Fiber.interruptFork(fiber)
        return undefined
      })
    const cast = yield* within(makeCast(plan, time), 1, "the simulation does not start")
    if (cast === undefined) return { ...nothing, wrong }
    told.trace = cast.trace
    yield* within(trouble(cast), plan.seconds + 300, "the workload does not end")
    const { settleWithin } = plan
    yield* within(settle(cast), settleWithin, `not everything has an outcome ${settleWithin} s after the last fault`)
    if (wrong.length > 0) wrong.push(...((yield* within(statusOf(cast), 1, "no kernel tells how it is")) ?? []))
    const remains = yield* within(remainsOf(cast), 60, "a store cannot be read")
    if (wrong.length === 0 && remains !== undefined) wrong.push(...judge(cast.history, [...remains, ...saidBy(cast)]))
    if (wrong.length === 0) wrong.push(...(plan.check?.(kernelsOf(cast)) ?? []))
    wrong.push(...(yield* leftovers(cast, within, fibers)))
    cast.trace.add("end", wrong.join(" "))
    return resultOf(cast, wrong)
  })

const saidBy = ({ baseSpeaker }: Cast): ReadonlyArray<Remains> =>
  baseSpeaker === undefined ? [] : [baseSpeaker.remains()]

const nothing: Omit<Result, "wrong"> = {
  hash: "",
  events: [],
  happened: new Map(),
  messages: 0,
  deaths: 0,
  virtualTime: 0
}

const resultOf = ({ happened, sites, time, trace }: Cast, wrong: ReadonlyArray<string>): Result => ({
  wrong,
  hash: trace.hash,
  events: trace.events,
  happened,
  messages: [...sites.values()].flatMap((site) => site.committed().filter((it) => it._tag === "Received")).length,
  deaths: [...sites.values()].reduce((sum, site) => sum + site.deaths(), 0),
  virtualTime: time.now()
})

/**
 * Plays a plan.
 *
 * @internal
 */
export const run = (plan: Plan): Effect.Effect<Result> =>
  Effect.scoped(Effect.flatMap(VirtualTime.make, (time) => Effect.ensuring(playIn(time, plan), time.end))).pipe(
    Effect.provideService(Entropy, entropyOf(Dices.make(plan.seed, "entropy"))),
    Effect.withRandom(Random.make(plan.seed))
  )

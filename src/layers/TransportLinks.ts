/**
 * The transport as a set of links, one actor for each peer, on whatever `ConnectionFactory` is provided.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import { NetworkStoppedError } from "../errors/ConnectionError.ts"
import { makeRoster } from "../internal/onCall.ts"
import { makeClockwork } from "../internal/timers.ts"
import * as Credit from "../protocol/Credit.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import * as Slots from "../protocol/Slots.ts"
import * as Wake from "../protocol/Wake.ts"
import { ConnectionFactory } from "../services/ConnectionFactory.ts"
import type { IncomingChannel } from "../services/ConnectionFactory.ts"
import { RemoteIdentity } from "../services/RemoteIdentity.ts"
import { RemotesConfig } from "../services/RemotesConfig.ts"
import { RemoteStore } from "../services/RemoteStore.ts"
import type { Link } from "../services/Transport.ts"
import { Transport } from "../services/Transport.ts"
import { channelLimits } from "./transport/channelLimits.ts"
import { makeDoorkeeper } from "./transport/doorkeeper.ts"
import { metrics } from "./transport/metrics.ts"
import { readHello } from "./transport/greeting.ts"
import { PeerLink } from "./transport/Link.ts"
import type { LinkGround } from "./transport/linkActor.ts"

/** How many channels may be in their first handshake step at once, over all peers and for one. */
const maxGreetings = 64
const maxGreetingsPerPeer = 4

/** 128 bits, in hexadecimal: enough that no two processes ever have the same name. */
const makeProcessName = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 4), (words) =>
  words.map((word) => word.toString(16).padStart(8, "0")).join("")
)

const endAll = (links: Map<PeerId, PeerLink>): Effect.Effect<void> => {
  const all = [...links.values()]
  links.clear()
  return Effect.forEach(all, ({ end }) => end, { concurrency: "unbounded", discard: true })
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.gen(function* () {
  const config = yield* RemotesConfig
  const factory = yield* ConnectionFactory
  const store = yield* RemoteStore
  const { incarnationId } = yield* RemoteIdentity
  const limits = Credit.limitsFor(config.maxMessageSize)
  const introduction = (peerId: PeerId) =>
    Effect.map(
      store.loadIntroduction(peerId),
      Option.getOrElse(() => incarnationId)
    )
  const speaker = { incarnationId, introduction, process: yield* makeProcessName, store, limits }
  const doorkeeper = yield* makeDoorkeeper(config)
  const clockwork = yield* makeClockwork
  const roster = yield* makeRoster(yield* clockwork.within(yield* Effect.scope))
  const linksScope = yield* Scope.fork(yield* Effect.scope, { _tag: "Parallel" })
  const links = new Map<PeerId, PeerLink>()
  yield* Effect.addFinalizer(() => Effect.suspend(() => endAll(links)))
  const contacts = yield* Mailbox.make<Link>()
  const greetings = yield* FiberSet.make()
  const greeting = new Map<PeerId, number>()
  const strangersGreeting = new Set<PeerId>()
  // Links that strangers brought about, of which nobody above has heard.
  const guests = new Set<PeerId>()
  // Open while there is a peer or a trace of one, or a relay: a kernel that is alone has no timer that ticks.
  const visited = yield* Effect.makeLatch(factory.keepsRelays)
  let stopped = false

  const ground: LinkGround = {
    config,
    factory,
    speaker,
    doorkeeper,
    clockwork,
    roster,
    limits: channelLimits(config),
    scope: linksScope,
    onContact: (link) =>
      Effect.suspend(() => (guests.delete(link.peerId) ? Effect.asVoid(contacts.offer(link)) : Effect.void)),
    onIdle: (peerId) => Effect.asVoid(FiberSet.run(greetings, dismiss(peerId)))
  }
  const linkTo = (peerId: PeerId): Effect.Effect<PeerLink> =>
    Effect.suspend(() => {
      const known = links.get(peerId)
      if (known !== undefined) return Effect.succeed(known)
      const link = new PeerLink(peerId, ground)
      links.set(peerId, link)
      return Effect.as(visited.open, link)
    })

  /** A stranger that never got as far as a channel leaves nothing. */
  const dismiss = (peerId: PeerId): Effect.Effect<void> =>
    Effect.suspend(() => (guests.has(peerId) && links.get(peerId)?.isStale(0) === true ? forget(peerId) : Effect.void))

  const hailed = (candidate: IncomingChannel) =>
    Effect.gen(function* () {
      const { peerId } = candidate
      const channelScope = yield* Scope.fork(linksScope, { _tag: "Sequential" })
      // It counts as a stream until it has ended; its place is free when that begins.
      yield* Scope.addFinalizer(
        channelScope,
        Effect.sync(() => doorkeeper.leave(peerId))
      )
      const channel = yield* Scope.extend(candidate.accept, channelScope)
      yield* Scope.addFinalizer(
        channelScope,
        Effect.sync(() => doorkeeper.free(peerId))
      )
      const { hello, rest } = yield* readHello(channel, config.handshakeTimeout).pipe(
        Effect.onError(() =>
          Effect.zipRight(channel.abort(new Error("no hello")), Scope.close(channelScope, Exit.void))
        )
      )
      if (!links.has(peerId)) guests.add(peerId)
      const link = yield* linkTo(peerId)
      yield* link.hail({ channel, scope: channelScope, hello, rest })
    }).pipe(
      Effect.catchAll((error) => {
        metrics.failure(error._tag)
        return Effect.logDebug("a peer's hello failed", error)
      }),
      Effect.annotateLogs({ package: "effect-remotes", module: "Transport", peer: candidate.peerId }),
      Effect.ensuring(
        Effect.sync(() => {
          const left = (greeting.get(candidate.peerId) ?? 1) - 1
          if (left > 0) return greeting.set(candidate.peerId, left)
          strangersGreeting.delete(candidate.peerId)
          return greeting.delete(candidate.peerId)
        })
      )
    )

  /** Takes a place for a first handshake step and for a channel; says what stands against it. */
  const objection = ({ peerId }: IncomingChannel, isStranger: boolean): Error | undefined => {
    const ofPeer = greeting.get(peerId) ?? 0
    let all = 0
    let ofStrangers = 0
    for (const [greeted, count] of greeting) {
      all += count
      if (strangersGreeting.has(greeted)) ofStrangers += count
    }
    const crowded = all >= maxGreetings || (isStranger && ofStrangers >= Slots.forStrangers(maxGreetings))
    if (ofPeer >= maxGreetingsPerPeer || crowded) return new Error("too many handshakes at once")
    const refusal = doorkeeper.admit(peerId, isStranger)
    if (refusal !== undefined) return refusal
    if (isStranger) strangersGreeting.add(peerId)
    greeting.set(peerId, ofPeer + 1)
    return undefined
  }

  /** Whether the kernel has to do with the peer. The store is asked only where it makes a difference. */
  const isKnown = (peerId: PeerId) =>
    Effect.catchAll(Effect.map(store.findRemote(peerId), Option.isSome), (error) =>
      Effect.as(Effect.logDebug("whether a peer is known could not be read", error), false)
    )

  const admit = (candidate: IncomingChannel) =>
    Effect.gen(function* () {
      const { peerId } = candidate
      const isStranger = !links.has(peerId) || guests.has(peerId)
      let objected = objection(candidate, isStranger)
      if (objected !== undefined && isStranger && (yield* isKnown(peerId))) objected = objection(candidate, false)
      if (objected !== undefined) {
        metrics.refusals()
        return yield* candidate.refuse(objected)
      }
      yield* Effect.zipRight(visited.open, FiberSet.run(greetings, hailed(candidate)))
    })

  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(factory.incoming.take, admit)))
  yield* Effect.forkScoped(
    Effect.forever(Effect.flatMap(factory.disconnected.take, (peerId) => links.get(peerId)?.check ?? Effect.void))
  )

  const resetAllBackoffs = Effect.zipRight(
    factory.resetBackoffs,
    Effect.suspend(() => Effect.forEach(links.values(), ({ wake }) => wake, { discard: true }))
  )
  const noticeWake = Effect.gen(function* () {
    yield* visited.await
    const before = yield* Clock.currentTimeMillis
    yield* Effect.sleep(Wake.interval)
    const now = yield* Clock.currentTimeMillis
    if (!Wake.isWake(before, now)) return
    yield* Effect.logInfo("this computer woke from sleep; all backoffs begin anew")
    yield* resetAllBackoffs
  })

  const forget = (peerId: PeerId) =>
    Effect.suspend(() => {
      const link = links.get(peerId)
      links.delete(peerId)
      guests.delete(peerId)
      return link === undefined ? Effect.void : Effect.uninterruptible(link.end)
    })
  const release = (peerId: PeerId) =>
    Effect.suspend(() => {
      const link = links.get(peerId)
      if (link === undefined) return Effect.void
      guests.add(peerId)
      return Effect.flatMap(link.handBack, (kept) => (kept ? Effect.void : forget(peerId)))
    })
  const stalePeerTimeout = Duration.toMillis(config.stalePeerTimeout)
  const cleanUp = Effect.gen(function* () {
    yield* visited.await
    yield* Effect.sleep(config.cleanupInterval)
    doorkeeper.sweep()
    const stale = [...links].filter(([, link]) => link.isStale(stalePeerTimeout))
    yield* Effect.forEach(stale, ([peerId]) => forget(peerId), { discard: true })
    if (links.size + doorkeeper.size() === 0 && !factory.keepsRelays) yield* visited.close
  })
  for (const chore of [noticeWake, cleanUp]) {
    yield* Effect.forever(chore).pipe(
      Effect.annotateLogs({ package: "effect-remotes", module: "Transport" }),
      Effect.forkScoped
    )
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      stopped = true
    })
  )
  const running = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | NetworkStoppedError> =>
      stopped ? Effect.fail(new NetworkStoppedError()) : effect
    )

  return Transport.of({
    localPeerId: factory.localPeerId,
    process: speaker.process,
    listenAddresses: factory.listenAddresses,
    link: (peerId) =>
      running(
        Effect.map(linkTo(peerId), (link) => {
          guests.delete(peerId)
          return link
        })
      ),
    contacts,
    forget,
    release,
    peers: Effect.suspend(() =>
      Effect.forEach(links, ([peerId, link]) => Effect.map(link.state, (state) => ({ peerId, state })))
    ),
    registerLocationHints: (peerId, hints) =>
      Effect.suspend(() => {
        const link = links.get(peerId)
        // Only news is a reason to dial at once.
        return link !== undefined && link.addHints(hints) ? link.urge : Effect.void
      }),
    closeConnection: (peerId) =>
      Effect.suspend(() => (stopped ? Effect.void : Effect.flatMap(linkTo(peerId), ({ close }) => close))),
    reconnectPeer: (peerId, hints = []) =>
      running(
        Effect.flatMap(linkTo(peerId), (link) => {
          link.addHints(hints)
          return link.reopen
        })
      ),
    resetAllBackoffs
  })
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Transport, never, ConnectionFactory | RemoteStore | RemoteIdentity> = Layer.scoped(
  Transport,
  make
)

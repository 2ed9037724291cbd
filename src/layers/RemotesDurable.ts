/**
 * Remotes whose messages survive the crash of either side, on whatever `Transport` and `RemoteStore` are provided.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { InvalidAddressError } from "../errors/AddressError.ts"
import { NetworkStoppedError } from "../errors/ConnectionError.ts"
import { ResourceLimitError } from "../errors/TransportError.ts"
import * as OcapUrl from "../protocol/OcapUrl.ts"
import * as PeerId from "../protocol/PeerId.ts"
import * as RelayPool from "../protocol/RelayPool.ts"
import { makeRoster } from "../internal/onCall.ts"
import { makeClockwork } from "../internal/timers.ts"
import { KernelPort } from "../services/KernelPort.ts"
import { RemoteIdentity } from "../services/RemoteIdentity.ts"
import { Remotes } from "../services/Remotes.ts"
import { RemotesConfig } from "../services/RemotesConfig.ts"
import type { RemoteRecord, StoredRedemption } from "../services/RemoteStore.ts"
import { RemoteStore } from "../services/RemoteStore.ts"
import type { Link } from "../services/Transport.ts"
import { Transport } from "../services/Transport.ts"
import { makeCommitter } from "./remotes/committer.ts"
import * as Core from "./remotes/Core.ts"
import { retire } from "./remotes/retiring.ts"
import type { HandleActor } from "./remotes/Handle.ts"
import { makeHandle } from "./remotes/Handle.ts"
import type { Watched } from "./remotes/watching.ts"
import { makeWatch } from "./remotes/watching.ts"

interface Entry {
  readonly actor: HandleActor
  readonly core: Core.Core
  readonly watched: Watched
  readonly scope: Scope.CloseableScope
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.gen(function* () {
  const config = yield* RemotesConfig
  const store = yield* RemoteStore
  const transport = yield* Transport
  const identity = yield* RemoteIdentity
  const port = yield* KernelPort
  const scope = yield* Effect.scope
  const clockwork = yield* makeClockwork
  const roster = yield* makeRoster(yield* clockwork.within(scope))
  const committer = yield* makeCommitter(store, roster)
  const departures = yield* FiberSet.make()
  const depart = yield* FiberSet.runtime(departures)()
  const entries = new Map<PeerId.PeerId, Entry>()
  const watch = makeWatch(
    (peerId) => entries.get(peerId)?.watched,
    () => entries.keys()
  )
  let stopped = false

  const newCore = (peerId: PeerId.PeerId): Core.Core => Core.make(transport.process, Core.firstRecord(peerId), false, 0)

  const forget = (peerId: PeerId.PeerId) => {
    const entry = entries.get(peerId)
    if (entry === undefined) return
    entries.delete(peerId)
    watch.changed(peerId)
    const close = Scope.close(entry.scope, Exit.void)
    // Who left may be back already, or somebody here may have asked for it.
    const release = Effect.suspend(() => (entries.has(peerId) ? Effect.void : transport.release(peerId)))
    const parting = entry.core.gone ? Effect.zipRight(transport.forget(peerId), close) : Effect.zipRight(close, release)
    // A scope whose closing is interrupted counts as closed, and what is left in it is never released.
    depart(Effect.uninterruptible(parting))
  }

  const open = (link: Link, core: Core.Core, redemptions: ReadonlyArray<StoredRedemption> = []) =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        const known = entries.get(link.peerId)
        if (known !== undefined) return known
        const handleScope = yield* Scope.fork(scope, { _tag: "Sequential" })
        const mayRecord = () => [...entries.values()].filter(({ core }) => core.known).length < config.maxRemotes
        // Fibers inherit whether they can be interrupted from who forks them.
        const actor = yield* Effect.interruptible(
          Scope.extend(
            makeHandle({
              core,
              link,
              store,
              port,
              identity,
              config,
              committer,
              clockwork,
              roster,
              mayRecord,
              redemptions,
              forget: () => forget(link.peerId),
              changed: () => watch.changed(link.peerId)
            }),
            handleScope
          )
        ).pipe(Effect.onError(() => Scope.close(handleScope, Exit.void)))
        const entry = { actor, core, watched: { link, status: actor.handle.status }, scope: handleScope }
        entries.set(link.peerId, entry)
        watch.changed(link.peerId)
        return entry
      })
    )

  const restore = (record: RemoteRecord) =>
    Effect.gen(function* () {
      const link = yield* transport.link(record.peerId)
      const { bytes, messages } = yield* store.countPending(record.peerId)
      yield* transport.registerLocationHints(record.peerId, record.hints)
      const redemptions = yield* store.listRedemptions(record.peerId)
      // What may have been transmitted does not end by its deadline any more.
      const deadlines = yield* store.listDeadlines(record.peerId, record.sentSeq)
      const entry = yield* open(link, Core.make(transport.process, record, true, bytes, deadlines), redemptions)
      if (messages > 0) yield* link.want
      return entry
    })

  const find = (peerId: PeerId.PeerId, hints: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const known = entries.get(peerId)
      if (known !== undefined) return known
      if (stopped) return yield* new NetworkStoppedError()
      if (entries.size >= config.maxRemotes) {
        return yield* new ResourceLimitError({ limit: "remotes", current: entries.size, max: config.maxRemotes })
      }
      const link = yield* transport.link(peerId)
      yield* transport.registerLocationHints(peerId, hints)
      return yield* open(link, newCore(peerId))
    })

  const adopt = Effect.fnUntraced(function* (peerId: PeerId.PeerId, hints: ReadonlyArray<string>) {
    const { actor, core } = yield* find(peerId, hints)
    core.adopted = true
    yield* transport.registerLocationHints(peerId, hints)
    yield* actor.addHints(hints)
    return actor.handle
  })

  const get: Remotes["Type"]["get"] = Effect.fn("Remotes.get")(function* (peer, options) {
    const peerId = yield* PeerId.fromString(peer)
    const hints = options?.hints ?? []
    const malformed = hints.find((hint) => !RelayPool.isAddress(hint))
    if (malformed === undefined) return yield* adopt(peerId, hints)
    return yield* new InvalidAddressError({ address: malformed, reason: "it is no multiaddr" })
  })

  for (const record of yield* store.listRemotes) yield* restore(record)
  yield* Effect.forkScoped(
    Effect.forever(Effect.flatMap(transport.contacts.take, (link) => open(link, newCore(link.peerId))))
  )
  const { expireEmptyRemotesAfter } = config
  if (expireEmptyRemotesAfter !== undefined) {
    const grace = Duration.min(expireEmptyRemotesAfter, config.cleanupInterval)
    yield* Effect.forkScoped(retire(() => entries.values(), expireEmptyRemotesAfter, grace))
  }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      stopped = true
      watch.end()
    })
  )

  return Remotes.of({
    localPeerId: transport.localPeerId,
    get,
    list: Effect.suspend(() => Effect.forEach(entries.values(), ({ actor }) => actor.handle.status)),
    changes: watch.changes,
    remove: Effect.fn("Remotes.remove")(function* (peer) {
      if (yield* store.inTransaction) {
        return yield* Effect.dieMessage("a remote cannot be removed inside of a transaction")
      }
      const entry = entries.get(yield* PeerId.fromString(peer))
      if (stopped) return yield* new NetworkStoppedError()
      if (entry !== undefined) yield* entry.actor.remove
    }),
    issueOcapUrl: (reference, options) =>
      Effect.flatMap(transport.listenAddresses, (hints) => identity.issueOcapUrl(reference, { ...options, hints })),
    revokeOcapUrl: identity.revokeOcapUrl,
    redeemOcapUrl: Effect.fn("Remotes.redeemOcapUrl")(function* (url) {
      const { hints, host } = yield* OcapUrl.parse(url)
      if (host === transport.localPeerId) return yield* identity.redeemOcapUrl(url)
      // What a stranger wrote into a URL must not keep its good addresses from being tried.
      const handle = yield* adopt(host, hints.filter(RelayPool.isAddress))
      const reference = yield* handle.redeemOcapUrl(OcapUrl.OcapUrl.make(url))
      // Only now has somebody vouched for what the URL says.
      yield* Effect.catchAll(identity.learnRelays(host, hints), (error) =>
        Effect.logWarning("the relays of a redeemed URL were not kept", error)
      )
      return reference
    })
  })
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = Layer.scoped(Remotes, make)

/**
 * A place where a kernel lives its lives: it is killed and started again, on a disk that outlives it, and with a record of what
 * it has committed that is independent of what the library says.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { NetworkStoppedError } from "../../src/errors/ConnectionError.ts"
import type { StoreError } from "../../src/errors/StoreError.ts"
import type { Disk, DiskOperation } from "../../src/layers/RemoteStoreMemory.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import * as PeerIds from "../../src/protocol/PeerId.ts"
import { KernelBusy } from "../../src/services/KernelPort.ts"
import type { DeliveryRefused } from "../../src/services/KernelPort.ts"
import type { RemoteStore } from "../../src/services/RemoteStore.ts"
import { Network } from "../../src/testing/Network.ts"
import type { Kernel, KernelOptions, seeds } from "./kernel.ts"
import { addressOf, bodyOf, message, startKernel } from "./kernel.ts"

export type Name = keyof typeof seeds

/** What the seeds in `kernel.ts` lead to, so that a kernel can be spoken of before it has started. */
export const peerIds: Readonly<Record<Name, PeerId>> = {
  alice: PeerIds.PeerId.make("12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak"),
  bob: PeerIds.PeerId.make("12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E"),
  carol: PeerIds.PeerId.make("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN")
}

export const nameOf = (peerId: string): Name =>
  peerId === peerIds.alice ? "alice" : peerId === peerIds.bob ? "bob" : "carol"

/** What a kernel has committed in its own tables, in order. */
export type Entry =
  | { readonly _tag: "Received"; readonly from: Name; readonly body: string }
  /** A message that a handler sent in the turn in which it received one. */
  | { readonly _tag: "Replied"; readonly to: Name; readonly body: string; readonly seq: number }
  | { readonly _tag: "Forgot"; readonly why: string }

/** What happens at an operation of the disk: nothing, a failure, or death right before it or right after it. */
export type Blow = "none" | "before" | "after" | StoreError

export interface SiteOptions {
  readonly name: Name
  readonly config?: KernelOptions["config"]
  /** Decides what happens at the disk's operation number `call`, from 1. */
  readonly blow?: (call: number, operation: DiskOperation) => Blow
  /** Runs after each commit: the place to copy the disk. */
  readonly onCommit?: (site: Site) => void
  /** How long it is dead after a blow. */
  readonly downtime?: () => number
  /** What the kernel does with a message; `reply` sends in the same turn. */
  readonly onReceive?: (
    from: Name,
    body: string,
    reply: (body: string) => Effect.Effect<void, KernelBusy>
  ) => Effect.Effect<void, DeliveryRefused | KernelBusy>
}

export interface Site {
  readonly name: Name
  readonly committed: ReadonlyArray<Entry>
  /** What its kernels asked of its disk, in all their lives. */
  readonly operations: ReadonlyArray<DiskOperation>
  readonly kernel: Effect.Effect<Kernel>
  /** Works with the kernel that lives, as a part of its process: dies with it. */
  readonly within: <A, E>(work: (kernel: Kernel) => Effect.Effect<A, E>) => Effect.Effect<A, E | NetworkStoppedError>
  readonly isUp: () => boolean
  readonly deaths: () => number
  /** Why its kernel could not start or live, which is always a bug. */
  readonly failure: () => Cause.Cause<unknown> | undefined
  /** Kills the kernel now; returns at once, and it is started again after its downtime. */
  readonly kill: Effect.Effect<void>
  /** Stops it in good order. */
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
  /** The disk to go on with at the next start. */
  readonly replaceDisk: (disk: Disk, committed: ReadonlyArray<Entry>) => void
  readonly disk: () => Disk
  /** It goes on with an empty disk at the next start, and remembers nothing. */
  readonly loseDisk: Effect.Effect<void>
}

export const handleOf = (kernel: Kernel, other: Name) =>
  kernel.remotes
    .get(peerIds[other], { hints: [addressOf(peerIds[other])] })
    .pipe(Effect.catchTag("InvalidPeerIdError", "ResourceLimitError", Effect.die))

/** An entry goes with the transaction that it is made in. */
const entering = (entry: Entry, preparing: Array<Entry>) => ({
  prepare: Effect.sync(() => void preparing.push(entry)),
  committed: () => undefined,
  rolledBack: () => undefined,
  savepoint: () => () => undefined
})

export const makeSite = Effect.fnUntraced(function* (options: SiteOptions) {
  const { name } = options
  const network = yield* Network
  const scope: Scope.Scope = yield* Effect.scope
  const operations: Array<DiskOperation> = []
  let deaths = 0
  let dead = false
  let failure: Cause.Cause<unknown> | undefined
  let life: Fiber.RuntimeFiber<unknown, unknown> | undefined
  let up = yield* Deferred.make<Kernel>()
  let death = yield* Deferred.make<never, NetworkStoppedError>()
  let isUp = false
  let committed: Array<Entry> = []
  const preparing: Array<Entry> = []

  const fall = Effect.suspend(() => {
    if (dead) return Effect.void
    dead = true
    deaths += 1
    return network
      .crash(peerIds[name])
      .pipe(Effect.zipRight(away), Effect.zipRight(Effect.forkIn(Effect.interruptible(restart), scope)))
  })
  const die = Effect.zipRight(fall, Effect.interruptible(Effect.never))

  const onCall = (operation: DiskOperation): Effect.Effect<void, StoreError> =>
    Effect.suspend((): Effect.Effect<void, StoreError> => {
      if (dead) return Effect.interruptible(Effect.never)
      if (operation === "begin") preparing.length = 0
      operations.push(operation)
      const blow = options.blow?.(operations.length, operation) ?? "none"
      if (blow === "before") return die
      return typeof blow === "string" ? Effect.void : Effect.fail(blow)
    })
  const onDone = (operation: DiskOperation) =>
    Effect.suspend(() => {
      if (operation === "commit") {
        committed.push(...preparing.splice(0))
        options.onCommit?.(site)
      }
      return options.blow?.(operations.length, operation) === "after" ? die : Effect.void
    })
  let disk = RemoteStoreMemory.makeDisk({ onCall, onDone })

  const enter = (store: RemoteStore["Type"], entry: Entry) => store.enlist(entering(entry, preparing))

  const onReceive: NonNullable<KernelOptions["onReceive"]> = (delivery, remotes, store, peer) => {
    const body = bodyOf(delivery)
    const from = nameOf(peer)
    const reply = (text: string) =>
      Effect.flatMap(remotes.get(peer), (handle) =>
        Effect.flatMap(handle.deliver(message(text)), ({ seq }) =>
          enter(store, { _tag: "Replied", to: from, body: text, seq })
        )
      ).pipe(
        // Too much is pending, or the store fails: not the message's fault.
        Effect.catchTag("InvalidPeerIdError", Effect.die),
        Effect.mapError((cause) => new KernelBusy({ cause }))
      )
    return Effect.zipRight(
      enter(store, { _tag: "Received", from, body }),
      options.onReceive?.(from, body, reply) ?? Effect.void
    )
  }

  const away = Effect.gen(function* () {
    yield* Deferred.fail(death, new NetworkStoppedError())
    death = yield* Deferred.make<never, NetworkStoppedError>()
    if (!isUp) return
    isUp = false
    up = yield* Deferred.make<Kernel>()
  })
  const live = Effect.gen(function* () {
    const kernel = yield* startKernel(name, {
      disk,
      onReceive,
      onForget: ({ _tag }, store) => enter(store, { _tag: "Forgot", why: _tag }),
      ...(options.config === undefined ? {} : { config: options.config })
    })
    isUp = true
    yield* Deferred.succeed(up, kernel)
    return yield* Effect.never
  }).pipe(
    Effect.scoped,
    // A store that fails is reported by the layers; whoever started the kernel starts it again.
    Effect.retry(Schedule.spaced("1 second")),
    Effect.tapErrorCause((cause) =>
      Effect.sync(() => {
        if (!Cause.isInterruptedOnly(cause)) failure = cause
      })
    ),
    Effect.provideService(Network, network)
  )
  const start = Effect.gen(function* () {
    dead = false
    life = yield* Effect.forkIn(live, scope)
  })
  const end = Effect.gen(function* () {
    yield* away
    if (life !== undefined) yield* Fiber.interrupt(life)
    life = undefined
  })
  const restart: Effect.Effect<void> = Effect.gen(function* () {
    yield* end
    yield* Effect.sleep(options.downtime?.() ?? 0)
    yield* start
  })

  const site: Site = {
    name,
    get committed() {
      return committed
    },
    operations,
    kernel: Effect.suspend(() => Deferred.await(up)),
    within: (work) =>
      Effect.flatMap(
        Effect.suspend(() => Deferred.await(up)),
        (kernel) =>
          Effect.raceFirst(
            Effect.suspend(() => work(kernel)),
            Deferred.await(death)
          )
      ),
    isUp: () => isUp,
    deaths: () => deaths,
    failure: () => failure,
    kill: fall,
    stop: end,
    start,
    replaceDisk: (to, entries) => {
      disk = to
      committed = [...entries]
    },
    disk: () => disk,
    loseDisk: Effect.sync(() => {
      disk = RemoteStoreMemory.makeDisk({ onCall, onDone })
      committed = []
    })
  }
  return site
})

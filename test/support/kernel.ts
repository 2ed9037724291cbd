/** Whole kernels on the simulated network, for tests of the services together. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { OutcomeUnknownError } from "../../src/errors/RemoteError.ts"
import * as ConnectionFactoryMemory from "../../src/layers/ConnectionFactoryMemory.ts"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemotesDurable from "../../src/layers/RemotesDurable.ts"
import type { Disk } from "../../src/layers/RemoteStoreMemory.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as TransportLinks from "../../src/layers/TransportLinks.ts"
import type { Delivery } from "../../src/protocol/Delivery.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import type { DeliveryRefused, KernelBusy } from "../../src/services/KernelPort.ts"
import { KernelPort } from "../../src/services/KernelPort.ts"
import type { RemoteHandleService } from "../../src/services/RemoteHandle.ts"
import { Remotes } from "../../src/services/Remotes.ts"
import * as RemotesConfig from "../../src/services/RemotesConfig.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"
import { Transport } from "../../src/services/Transport.ts"
import { Network } from "../../src/testing/Network.ts"

/** Alice's peer id is the higher, so that of two dials at once bob's wins. */
export const seeds = { alice: "a1".repeat(32), bob: "b2".repeat(32), carol: "00".repeat(32) } as const

export interface Received {
  readonly peer: PeerId
  readonly delivery: Delivery
}

/** What a kernel has done, as it would be found in its own tables: only what was committed. */
export interface Kernel {
  readonly remotes: Remotes["Type"]
  readonly transport: Transport["Type"]
  readonly store: RemoteStore["Type"]
  readonly peerId: PeerId
  readonly received: Array<Received>
  readonly forgotten: Array<OutcomeUnknownError>
  /** Stops it as its user would. */
  readonly stop: Effect.Effect<void>
  /** Stops it as SIGKILL would: nothing is said to anybody, and only what was committed is left. */
  readonly crash: Effect.Effect<void>
}

export interface KernelOptions {
  readonly disk?: Disk
  readonly config?: typeof RemotesConfig.Options.Encoded
  /** Runs for each delivery, before it is recorded. */
  readonly onReceive?: (
    delivery: Delivery,
    handle: Remotes["Type"],
    store: RemoteStore["Type"],
    peer: PeerId
  ) => Effect.Effect<void, DeliveryRefused | KernelBusy>
  /** Runs when the end of a conversation is told. */
  readonly onForget?: (why: OutcomeUnknownError, store: RemoteStore["Type"]) => Effect.Effect<void>
  /** Whether the kernel has use for a peer; it does not say if this is left out. */
  readonly isInUse?: () => boolean
  /** What the kernel has committed in its former lives, to be gone on with. */
  readonly received?: Array<Received>
}

const once = <A>(effect: (value: A) => void, value: A) => ({
  prepare: Effect.void,
  committed: () => effect(value),
  rolledBack: () => undefined,
  savepoint: () => () => undefined
})

export const startKernel = Effect.fnUntraced(function* (name: keyof typeof seeds, options: KernelOptions = {}) {
  const network = yield* Network
  const { isInUse } = options
  const received = options.received ?? []
  const forgotten: Array<OutcomeUnknownError> = []
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const self = yield* Deferred.make<Remotes["Type"]>()

  const port = Layer.effect(
    KernelPort,
    Effect.map(RemoteStore, (store) =>
      KernelPort.of({
        receive: (peer, delivery) =>
          Effect.zipRight(
            options.onReceive === undefined
              ? Effect.void
              : Effect.flatMap(
                  Deferred.await(self),
                  (remotes) => options.onReceive?.(delivery, remotes, store, peer) ?? Effect.void
                ),
            store.enlist(once((entry) => void received.push(entry), { peer, delivery }))
          ),
        ...(isInUse !== undefined && { isInUse: () => Effect.sync(isInUse) }),
        redeem: (_, reference) => Effect.succeed(`ro+${reference}`),
        forget: (_, why) =>
          Effect.zipRight(
            options.onForget?.(why, store) ?? Effect.void,
            store.enlist(once((reason) => void forgotten.push(reason), why))
          )
      })
    )
  )
  const context = yield* Layer.buildWithScope(
    RemotesDurable.layer.pipe(
      Layer.provide(port),
      Layer.provideMerge(TransportLinks.layer),
      Layer.provideMerge(ConnectionFactoryMemory.layer),
      Layer.provideMerge(RemoteIdentityStored.layer({ keySeed: Redacted.make(seeds[name]) })),
      Layer.provideMerge(RemoteStoreMemory.layerDisk(options.disk ?? RemoteStoreMemory.makeDisk())),
      Layer.provide(RemotesConfig.layer(options.config ?? {})),
      Layer.provide(Layer.succeed(Network, network))
    ),
    scope
  )
  const remotes = Context.get(context, Remotes)
  yield* Deferred.succeed(self, remotes)
  const kernel: Kernel = {
    remotes,
    transport: Context.get(context, Transport),
    store: Context.get(context, RemoteStore),
    peerId: remotes.localPeerId,
    received,
    forgotten,
    stop: Scope.close(scope, Exit.void),
    crash: Effect.zipRight(network.crash(remotes.localPeerId), Scope.close(scope, Exit.void))
  }
  return kernel
})

export const addressOf = ConnectionFactoryMemory.addressOf

/** The handle for another kernel, at its address. */
export const handleFor = (kernel: Kernel, other: Kernel) =>
  kernel.remotes.get(other.peerId, { hints: [addressOf(other.peerId)] })

export const message = (body: string): Delivery => ({
  _tag: "Message",
  target: "ro-1",
  methargs: { body, slots: [] },
  result: "rp+1"
})

export const bodyOf = (delivery: Delivery): string =>
  delivery._tag === "Message" ? delivery.methargs.body : delivery._tag

export const bodiesOf = (kernel: Kernel): ReadonlyArray<string> =>
  kernel.received.map(({ delivery }) => bodyOf(delivery))

/** Delivers messages one after another. */
export const sendAll = (handle: RemoteHandleService, bodies: ReadonlyArray<string>) =>
  Effect.forEach(bodies, (body) => handle.deliver(message(body)))

export const numbered = (from: number, through: number): ReadonlyArray<string> =>
  Array.from({ length: through - from + 1 }, (_, index) => String(from + index))

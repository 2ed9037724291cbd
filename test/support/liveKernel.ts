/** A whole kernel of ours on libp2p over loopback TCP. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { OutcomeUnknownError } from "../../src/errors/RemoteError.ts"
import * as ConnectionFactoryLibp2p from "../../src/layers/ConnectionFactoryLibp2p.ts"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemotesDurable from "../../src/layers/RemotesDurable.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as TransportLinks from "../../src/layers/TransportLinks.ts"
import type { Delivery } from "../../src/protocol/Delivery.ts"
import { KernelPort } from "../../src/services/KernelPort.ts"
import { Remotes } from "../../src/services/Remotes.ts"
import * as RemotesConfig from "../../src/services/RemotesConfig.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"
import { Transport } from "../../src/services/Transport.ts"
import { bodyOf } from "./kernel.ts"

export interface LiveKernel {
  readonly remotes: Remotes["Type"]
  readonly store: RemoteStore["Type"]
  readonly address: string
  /** The bodies that were committed, in order. */
  readonly bodies: Array<string>
  readonly forgotten: ReadonlyArray<OutcomeUnknownError>
  readonly stop: Effect.Effect<void>
}

const onCommit = (committed: () => void) => ({
  prepare: Effect.void,
  committed,
  rolledBack: () => undefined,
  savepoint: () => () => undefined
})

export const startLiveKernel = Effect.fnUntraced(function* (
  options: {
    /** The first byte of the key; 0xa1 has a higher peer id than the ocap-kernel stand-in, 0 a lower one. */
    readonly seed?: string
    readonly config?: typeof RemotesConfig.Options.Encoded
    readonly disk?: RemoteStoreMemory.Disk
    readonly onReceive?: (delivery: Delivery) => Effect.Effect<void>
  } = {}
) {
  const bodies: Array<string> = []
  const forgotten: Array<OutcomeUnknownError> = []
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const port = Layer.effect(
    KernelPort,
    Effect.map(RemoteStore, (store) =>
      KernelPort.of({
        receive: (_, delivery) =>
          Effect.zipRight(
            options.onReceive?.(delivery) ?? Effect.void,
            store.enlist(onCommit(() => void bodies.push(bodyOf(delivery))))
          ),
        redeem: (_, reference) => Effect.succeed(`ro+${reference}`),
        forget: (_, why) => store.enlist(onCommit(() => void forgotten.push(why)))
      })
    )
  )
  const context = yield* Layer.buildWithScope(
    RemotesDurable.layer.pipe(
      Layer.provide(port),
      Layer.provideMerge(TransportLinks.layer),
      Layer.provide(ConnectionFactoryLibp2p.layer({ listen: ["/ip4/127.0.0.1/tcp/0"] })),
      Layer.provide(RemoteIdentityStored.layer({ keySeed: Redacted.make((options.seed ?? "a1").repeat(32)) })),
      Layer.provideMerge(RemoteStoreMemory.layerDisk(options.disk ?? RemoteStoreMemory.makeDisk())),
      Layer.provide(RemotesConfig.layer(options.config ?? {}))
    ),
    scope
  )
  const [address = ""] = yield* Context.get(context, Transport).listenAddresses
  const kernel: LiveKernel = {
    remotes: Context.get(context, Remotes),
    store: Context.get(context, RemoteStore),
    address,
    bodies,
    forgotten,
    stop: Scope.close(scope, Exit.void)
  }
  return kernel
})

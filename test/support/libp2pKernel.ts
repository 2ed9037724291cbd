/** Whole kernels on real libp2p, on loopback. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as ConnectionFactoryLibp2p from "../../src/layers/ConnectionFactoryLibp2p.ts"
import * as RelayServerLibp2p from "../../src/layers/RelayServerLibp2p.ts"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemotesDurable from "../../src/layers/RemotesDurable.ts"
import type { Disk } from "../../src/layers/RemoteStoreMemory.ts"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import * as TransportLinks from "../../src/layers/TransportLinks.ts"
import type { Delivery } from "../../src/protocol/Delivery.ts"
import { type Channel, ConnectionFactory } from "../../src/services/ConnectionFactory.ts"
import { KernelPort } from "../../src/services/KernelPort.ts"
import { RelayServer } from "../../src/services/RelayServer.ts"
import { Remotes } from "../../src/services/Remotes.ts"
import * as RemotesConfig from "../../src/services/RemotesConfig.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"
import { Transport } from "../../src/services/Transport.ts"
import { bodyOf, seeds, sendAll } from "./kernel.ts"

export type FactoryOptions = typeof ConnectionFactoryLibp2p.Options.Encoded

export interface KernelOptions {
  readonly disk?: Disk
  readonly config?: typeof RemotesConfig.Options.Encoded
  readonly factory?: FactoryOptions
  /** Runs for each delivery, before it is recorded. */
  readonly onReceive?: (delivery: Delivery) => Effect.Effect<void>
  /** What the kernel has committed in its former lives, to be gone on with. */
  readonly received?: Array<string>
}

/** The factory, and all channels that it dials. */
const observed = (options: FactoryOptions | undefined, dialed: Array<Channel>) =>
  Layer.effect(
    ConnectionFactory,
    Effect.map(ConnectionFactory, (factory) => ({
      ...factory,
      dial: (...target: Parameters<(typeof factory)["dial"]>) =>
        Effect.tap(factory.dial(...target), (channel) => Effect.sync(() => dialed.push(channel)))
    }))
  ).pipe(Layer.provide(ConnectionFactoryLibp2p.layer(options)))

export const startKernel = Effect.fnUntraced(function* (name: keyof typeof seeds, options: KernelOptions = {}) {
  const received = options.received ?? []
  const dialed: Array<Channel> = []
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const port = Layer.effect(
    KernelPort,
    Effect.map(RemoteStore, (store) =>
      KernelPort.of({
        receive: (_, delivery) =>
          Effect.zipRight(
            options.onReceive?.(delivery) ?? Effect.void,
            store.enlist({
              prepare: Effect.void,
              committed: () => void received.push(bodyOf(delivery)),
              rolledBack: () => undefined,
              savepoint: () => () => undefined
            })
          ),
        redeem: (_, reference) => Effect.succeed(reference),
        forget: () => Effect.void
      })
    )
  )
  const context = yield* Layer.buildWithScope(
    RemotesDurable.layer.pipe(
      Layer.provide(port),
      Layer.provideMerge(TransportLinks.layer),
      Layer.provideMerge(observed(options.factory, dialed)),
      Layer.provideMerge(RemoteIdentityStored.layer({ keySeed: Redacted.make(seeds[name]) })),
      Layer.provideMerge(RemoteStoreMemory.layerDisk(options.disk ?? RemoteStoreMemory.makeDisk())),
      Layer.provide(RemotesConfig.layer(options.config ?? {})),
      Layer.provide(Logger.minimumLogLevel(LogLevel.Error))
    ),
    scope
  )
  const remotes = Context.get(context, Remotes)
  const factory = Context.get(context, ConnectionFactory)
  return {
    remotes,
    transport: Context.get(context, Transport),
    store: Context.get(context, RemoteStore),
    factory,
    peerId: remotes.localPeerId,
    received,
    dialed,
    addresses: factory.listenAddresses,
    stop: Scope.close(scope, Exit.void)
  }
})

export type Kernel = Effect.Effect.Success<ReturnType<typeof startKernel>>

/** A relay in this process, at a port of its own or at the one that it had before. */
export const startRelay = Effect.fnUntraced(function* (
  port = 0,
  options: typeof RelayServerLibp2p.Options.Encoded = {}
) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const context = yield* Layer.buildWithScope(
    RelayServerLibp2p.layer({
      listen: [`/ip4/127.0.0.1/tcp/${port}`],
      keySeed: Redacted.make("5e".repeat(32)),
      ...options
    }),
    scope
  )
  const server = Context.get(context, RelayServer)
  const [address = ""] = yield* server.addresses
  return { server, address, port: portOf(address), stop: Scope.close(scope, Exit.void) }
})

export const portOf = (address: string) => Number(/tcp\/(\d+)/u.exec(address)?.[1])

/** Waits for something without an event to await. */
export const eventually = <E, R>(
  condition: Effect.Effect<boolean, E, R>,
  within: Duration.DurationInput = "10 seconds"
) =>
  condition.pipe(
    Effect.repeat({ until: (it) => it, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout(within),
    Effect.asVoid
  )

/** Sends messages in order, and waits until the other kernel has committed them all. */
export const deliverAll = (
  from: Kernel,
  to: Pick<Kernel, "peerId">,
  bodies: ReadonlyArray<string>,
  hints: ReadonlyArray<string> = []
) =>
  Effect.gen(function* () {
    const handle = yield* from.remotes.get(to.peerId, { hints })
    const receipts = yield* sendAll(handle, bodies)
    yield* Effect.forEach(receipts, (receipt) => receipt.acknowledged, { discard: true })
  })

/** Waits until a kernel can be reached through a relay. */
export const reserved = (kernel: Kernel, relay: string, within?: Duration.DurationInput) =>
  eventually(
    Effect.map(kernel.addresses, (all) => all.some((it) => it.startsWith(`${relay}/p2p-circuit/`))),
    within
  )

/** A TCP server that accepts, knows its open sockets, and says what `onSocket` makes it say. */
export const server = (onSocket: (socket: Net.Socket) => void = () => undefined) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly sockets: Set<Net.Socket>; readonly listener: Net.Server }>(
      (resume) => {
        const sockets = new Set<Net.Socket>()
        const listener = Net.createServer((socket) => {
          sockets.add(socket)
          socket
            .on("error", () => undefined)
            .on("close", () => sockets.delete(socket))
            .resume()
          onSocket(socket)
        })
        listener.listen(0, "127.0.0.1", () => {
          const address = listener.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({ port, sockets, listener }))
        })
      }
    ),
    ({ listener, sockets }) =>
      Effect.sync(() => {
        listener.close()
        for (const socket of sockets) socket.destroy()
      })
  )

/** A TCP proxy in front of a listener. Frozen, it keeps its connections and passes nothing on; new ones work. */
export const proxy = (target: number) =>
  Effect.gen(function* () {
    const pairs: Array<readonly [Net.Socket, Net.Socket]> = []
    const { port, sockets } = yield* server((socket) => {
      const through = Net.connect(target, "127.0.0.1")
      through.on("error", () => socket.destroy()).on("close", () => socket.destroy())
      socket.on("close", () => through.destroy())
      socket.pipe(through)
      through.pipe(socket)
      pairs.push([socket, through])
    })
    const freeze = () => pairs.forEach(([here, there]) => [here.unpipe(there).pause(), there.unpipe(here).pause()])
    return { port, sockets, accepted: () => pairs.length, freeze }
  })

/** A port at which nobody listens. */
export const closedPort = Effect.scoped(Effect.map(server(), ({ port }) => port))

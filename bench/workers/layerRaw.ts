/**
 * A bare libp2p node, and what the bench does with it.
 */
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import type { Connection, Stream } from "@libp2p/interface"
import { tcp } from "@libp2p/tcp"
import { identify } from "@libp2p/identify"
import { ping } from "@libp2p/ping"
import { multiaddr } from "@multiformats/multiaddr"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { createLibp2p } from "libp2p"
import { common, connectionManager, heartbeats, muxing } from "../../src/layers/libp2p/node.ts"
import { type Journal, protocols, serveAll, serveCommitted } from "./rawServer.ts"
import * as RawWays from "./rawWays.ts"
import { makeCommit } from "./syncs.ts"
import type { CommittedEcho, Keep, RawEcho, RawSend } from "./requests.ts"

export class Raw extends Context.Tag("bench/Raw")<
  Raw,
  {
    readonly whereabouts: Effect.Effect<{ readonly peerId: string; readonly address: string }>
    /** Dials anew, and opens a stream, which is all that a channel is made of. */
    readonly connect: (address: string) => Effect.Effect<{ readonly millis: number }>
    readonly send: (how: Pick<RawSend, "way" | "count" | "size">) => Effect.Effect<{ readonly millis: number }>
    readonly echo: (how: Pick<RawEcho, "count" | "size">) => Effect.Effect<{ readonly micros: ReadonlyArray<number> }>
    /** Has a SQLite file of its own for messages of so many bytes, until the node stops. */
    readonly keep: (how: Pick<Keep, "size" | "file">) => Effect.Effect<void>
    /** As `echo`, but each of the two commits a message to what it keeps before it writes it. */
    readonly committedEcho: (
      how: Pick<CommittedEcho, "count">
    ) => Effect.Effect<{ readonly micros: ReadonlyArray<number> }>
  }
>() {}

/** A node on TCP, with the options of a kernel's for so many peers. */
export const makeNode = (seed: string, crowd = 100) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      // As libp2p comes: what ours does to its connections and streams is left out.
      const { connectionProtector: _, logger: __, ...options } = await common(Buffer.from(seed, "hex"))
      const plain = { ...options, connectionEncrypters: [noise()], streamMuxers: [yamux(muxing)] }
      const services = { identify: identify(), ping: ping(), heartbeats }
      const addresses = { listen: ["/ip4/127.0.0.1/tcp/0"] }
      const node = await createLibp2p({
        ...plain,
        addresses,
        transports: [tcp()],
        connectionManager: connectionManager(crowd),
        services
      })
      await node.start()
      return node
    }),
    (node) => Effect.promise(async () => node.stop())
  )

const make = (seed: string, crowd?: number) =>
  Effect.gen(function* () {
    const node = yield* makeNode(seed, crowd)
    yield* Effect.promise(() => serveAll(node))
    const scope = yield* Effect.scope
    let connection: Connection | undefined
    let journal: Journal | undefined

    const onStream = <A>(protocol: string, use: (stream: Stream) => Promise<A>) =>
      Effect.promise(async () => {
        if (connection === undefined) throw new Error("connect first")
        const stream = await connection.newStream(protocol)
        const result = await use(stream)
        await stream.close()
        return result
      })

    return Raw.of({
      whereabouts: Effect.sync(() => ({
        peerId: node.peerId.toString(),
        address: node.getMultiaddrs()[0]?.toString() ?? ""
      })),
      connect: (address) =>
        Effect.promise(async () => {
          await connection?.close()
          const started = performance.now()
          connection = await node.dial(multiaddr(address))
          const stream = await connection.newStream(protocols.echo)
          const millis = performance.now() - started
          await stream.close()
          return { millis }
        }),
      send: ({ count, size, way }) =>
        onStream(protocols[way], async (stream) => ({ millis: await RawWays.send(way)(stream, count, size) })),
      echo: ({ count, size }) =>
        onStream(protocols.echo, async (stream) => ({ micros: await RawWays.echoes(stream, count, size) })),
      keep: ({ file, size }) =>
        Effect.gen(function* () {
          const kept = { size, commit: yield* Scope.extend(makeCommit(file, size), scope) }
          journal = kept
          yield* Effect.promise(() => serveCommitted(node, kept))
        }),
      committedEcho: ({ count }) =>
        onStream(protocols.committedEcho, async (stream) => {
          if (journal === undefined) throw new Error("keep a file first")
          return { micros: await RawWays.echoes(stream, count, journal.size, journal.commit) }
        })
    })
  })

/** A node on TCP, alone on its address. */
export const layerRaw = (seed: string, crowd?: number) => Layer.scoped(Raw, make(seed, crowd))

/** Hostile peers on real libp2p and on bare sockets: they open what they like, write any bytes, and read when they like. */
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import type { Connection, Stream } from "@libp2p/interface"
import { tcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import * as Effect from "effect/Effect"
import { createLibp2p } from "libp2p"
import { connect, type Socket } from "node:net"
import { hello, json } from "./attacker.ts"
import { portOf } from "./libp2pKernel.ts"

const makeNode = Effect.acquireRelease(
  Effect.promise(() =>
    createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionManager: { reconnectRetries: 0 }
    })
  ),
  (node) =>
    Effect.promise(async () => {
      for (const connection of node.getConnections()) connection.abort(new Error("the attack is over"))
      await node.stop()
    })
)

/** A peer with a key of its own and a connection; the other side may hang up at any time. */
export const intrude = (address: string) =>
  Effect.gen(function* () {
    const node = yield* makeNode
    return yield* Effect.promise(() => node.dial(multiaddr(address)))
  })

/** A stream, or none where it is refused at once. What is refused later is reset by the other side. */
export const open = (connection: Connection) =>
  Effect.option(Effect.tryPromise(() => connection.newStream("/effect-remotes/1", { negotiateFully: false })))

/** A stream that begins with these bytes, where the name of a protocol is due; none where the connection has ended. */
export const openWith = (connection: Connection, bytes: Uint8Array) =>
  Effect.sync(() => {
    // The stream is there at once; that nothing is ever agreed upon on it is the attack.
    connection.newStream("/nothing/1").catch(() => undefined)
    const stream = connection.streams.at(-1)
    stream?.send(bytes)
    return stream
  })

/** Writes bytes as they are, as far as the other side lets it; says whether it may go on. */
export const say = (stream: Stream, bytes: Uint8Array) =>
  Effect.sync(() => {
    if (stream.status !== "open" || stream.writeStatus !== "writable") return false
    return stream.send(bytes)
  })

const drained = (stream: Stream) => Effect.ignore(Effect.tryPromise((signal) => stream.onDrain({ signal })))

/** Writes the same again and again, for as long as the stream lives. */
export const repeat = (stream: Stream, bytes: Uint8Array) =>
  say(stream, bytes).pipe(
    Effect.flatMap((more) => (more ? Effect.yieldNow() : drained(stream))),
    Effect.zipRight(Effect.sleep("1 millis")),
    Effect.repeat({ while: () => stream.status === "open" })
  )

/** A stream whose handshake is done, from a peer that has met nobody. */
export const enter = (connection: Connection) =>
  Effect.gen(function* () {
    const stream = yield* Effect.flatten(open(connection))
    const heard = Effect.async<void>((resume) => {
      stream.addEventListener("message", () => resume(Effect.void), { once: true })
    })
    yield* say(stream, json(hello("evil")))
    yield* heard
    return stream
  })

/** A socket, and nothing that libp2p would say on it. */
export const plug = (address: string) =>
  Effect.acquireRelease(
    Effect.async<Socket>((resume) => {
      const socket = connect(portOf(address), "127.0.0.1")
      const done = () => resume(Effect.succeed(socket))
      socket.on("connect", done).on("error", done).on("close", done)
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/**
 * A TCP proxy on loopback: it stands at one address through all lives of the kernel behind it, and can reset what runs
 * through it.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Socket from "@effect/platform/Socket"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { RunFailed } from "./failure.ts"

/**
 * A proxy that runs.
 */
export interface Proxy {
  readonly port: number
  /** Where connections from now on lead; nowhere, which refuses them, before the first call. */
  readonly leadTo: (port: number) => Effect.Effect<void>
  /** Resets all connections, and answers how many there were. */
  readonly reset: Effect.Effect<number>
}

const host = "127.0.0.1"

type Write = (chunk: Uint8Array | string | Socket.CloseEvent) => Effect.Effect<void, Socket.SocketError>

/** Passes on a chunk, and has no more of them come until it is written: what one end does not take, the other holds. */
const pass = (write: Write) => (chunk: Uint8Array) =>
  Effect.flatMap(Effect.serviceOption(NodeSocket.NetSocket), (from) => {
    if (Option.isSome(from)) from.value.pause()
    return Effect.ensuring(
      write(chunk),
      Effect.sync(() => Option.map(from, (it) => it.resume()))
    )
  })

/** Joins two sockets until one of them ends, which then ends the other; `resets` has a way to reset both meanwhile. */
const join = Effect.fnUntraced(function* (near: Socket.Socket, far: Socket.Socket, resets: Set<Effect.Effect<void>>) {
  const toNear = yield* near.writer
  const toFar = yield* far.writer
  const raw = yield* Effect.serviceOption(NodeSocket.NetSocket)
  const reset = Effect.zipRight(
    Effect.sync(() => Option.map(raw, (it) => it.resetAndDestroy())),
    Effect.ignore(toFar(new Socket.CloseEvent(1006, "reset")))
  )
  const onOpen = Effect.sync(() => {
    resets.add(reset)
  })
  yield* Effect.raceFirst(near.run(pass(toFar)), far.run(pass(toNear), { onOpen })).pipe(
    Effect.ensuring(Effect.sync(() => resets.delete(reset)))
  )
})

const refuse = Effect.map(
  Effect.serviceOption(NodeSocket.NetSocket),
  Option.map((raw) => raw.resetAndDestroy())
)

/**
 * Starts a proxy; it ends, with all its connections, with the scope.
 */
export const make = Effect.gen(function* () {
  const server = yield* Effect.mapError(
    NodeSocketServer.make({ host, port: 0 }),
    (cause) => new RunFailed({ sentence: "No port on loopback can be listened at.", cause })
  )
  const resets = new Set<Effect.Effect<void>>()
  let target: number | undefined
  const serve = (near: Socket.Socket) =>
    target === undefined
      ? refuse
      : Effect.flatMap(NodeSocket.makeNet({ host, port: target }), (far) => join(near, far, resets)).pipe(
          Effect.scoped,
          // That connections break is what the proxy is for; whoever made them notices.
          Effect.ignore
        )
  yield* Effect.forkScoped(server.run(serve))
  return {
    port: server.address._tag === "TcpAddress" ? server.address.port : 0,
    leadTo: (port) =>
      Effect.sync(() => {
        target = port
      }),
    reset: Effect.suspend(() => Effect.as(Effect.all([...resets], { discard: true }), resets.size))
  } satisfies Proxy
})

/**
 * A TCP proxy on loopback: it stands at one address through all lives of the kernel behind it, and can disturb what runs
 * through it.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Socket from "@effect/platform/Socket"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { RunFailed } from "./failure.ts"
import * as Weather from "./weather.ts"

/**
 * A proxy that runs.
 */
export interface Proxy {
  readonly port: number
  /** Where connections from now on lead; nowhere, which refuses them, before the first call. */
  readonly leadTo: (port: number) => Effect.Effect<void>
  /** How many connections there are. */
  readonly open: Effect.Effect<number>
  /** Resets all connections, and answers how many there were. */
  readonly reset: Effect.Effect<number>
  /** Ends all connections without a reset, and answers how many there were. */
  readonly cut: Effect.Effect<number>
  /** Has all connections end in the middle of the next piece that runs through them, and answers how many there were. */
  readonly truncate: Effect.Effect<number>
  /** Passes nothing on in this direction until `clear`, on any connection, and says so to nobody. */
  readonly stall: (direction: Weather.Direction) => Effect.Effect<void>
  /** Has each piece wait before it is passed on, until `clear`. */
  readonly delay: (each: Duration.DurationInput) => Effect.Effect<void>
  /** Ends stalls and delays. */
  readonly clear: Effect.Effect<void>
}

const host = "127.0.0.1"

type Write = (chunk: Uint8Array | string | Socket.CloseEvent) => Effect.Effect<void, Socket.SocketError>

/** A connection through the proxy, and what can be done to it. */
interface Connection {
  readonly reset: Effect.Effect<void>
  readonly cut: Effect.Effect<void>
  truncated: boolean
}

/** Passes on a chunk, and has no more of them come until it is written: what one end does not take, the other holds. */
const pass = (write: Write, passable: Effect.Effect<void>, connection: Connection) => (chunk: Uint8Array) =>
  Effect.flatMap(Effect.serviceOption(NodeSocket.NetSocket), (from) => {
    if (Option.isSome(from)) from.value.pause()
    const through = Effect.suspend(() =>
      connection.truncated
        ? Effect.zipRight(write(chunk.subarray(0, Math.floor(chunk.length / 2))), connection.cut)
        : write(chunk)
    )
    return Effect.ensuring(
      Effect.zipRight(passable, through),
      Effect.sync(() => Option.map(from, (it) => it.resume()))
    )
  })

/** Joins two sockets until one of them ends, which then ends the other; it is among the `connections` meanwhile. */
const join = Effect.fnUntraced(function* (
  [near, far]: readonly [Socket.Socket, Socket.Socket],
  { connections, weather }: { readonly connections: Set<Connection>; readonly weather: Weather.Weather }
) {
  const toNear = yield* near.writer
  const toFar = yield* far.writer
  const raw = yield* Effect.serviceOption(NodeSocket.NetSocket)
  const cut = yield* Deferred.make<void>()
  const connection: Connection = {
    reset: Effect.zipRight(
      Effect.sync(() => Option.map(raw, (it) => it.resetAndDestroy())),
      Effect.ignore(toFar(new Socket.CloseEvent(1006, "reset")))
    ),
    cut: Deferred.succeed(cut, undefined),
    truncated: false
  }
  const onOpen = Effect.sync(() => {
    connections.add(connection)
  })
  const nearToFar = near.run(pass(toFar, weather.passable("in"), connection))
  const farToNear = far.run(pass(toNear, weather.passable("out"), connection), { onOpen })
  yield* Effect.raceFirst(Effect.raceFirst(nearToFar, farToNear), Deferred.await(cut)).pipe(
    Effect.ensuring(Effect.sync(() => connections.delete(connection)))
  )
})

const refuse = Effect.map(
  Effect.serviceOption(NodeSocket.NetSocket),
  Option.map((raw) => raw.resetAndDestroy())
)

/** Does something to all connections, and answers how many there were. */
const toAll = (connections: ReadonlySet<Connection>, act: (connection: Connection) => Effect.Effect<void>) =>
  Effect.suspend(() => Effect.as(Effect.forEach([...connections], act, { discard: true }), connections.size))

/**
 * Starts a proxy; it ends, with all its connections, with the scope.
 */
export const make = Effect.gen(function* () {
  const server = yield* Effect.mapError(
    NodeSocketServer.make({ host, port: 0 }),
    (cause) => new RunFailed({ sentence: "No port on loopback can be listened at.", cause })
  )
  const connections = new Set<Connection>()
  const weather = Weather.make()
  let target: number | undefined
  const serve = (near: Socket.Socket) =>
    target === undefined
      ? refuse
      : Effect.flatMap(NodeSocket.makeNet({ host, port: target }), (far) =>
          join([near, far], { connections, weather })
        ).pipe(
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
    open: Effect.sync(() => connections.size),
    reset: toAll(connections, ({ reset }) => reset),
    cut: toAll(connections, ({ cut }) => cut),
    truncate: toAll(connections, (connection) =>
      Effect.sync(() => {
        connection.truncated = true
      })
    ),
    stall: weather.stall,
    delay: weather.delay,
    clear: weather.clear
  } satisfies Proxy
})

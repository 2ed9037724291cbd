import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import type * as Socket from "@effect/platform/Socket"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Proxy from "../../examples/processes/proxy.ts"

const host = "127.0.0.1"

/** A server that says everything back; answers with its port, and with the connections that have ended. */
const makeEcho = Effect.gen(function* () {
  const server = yield* NodeSocketServer.make({ host, port: 0 })
  const ended = yield* Mailbox.make<void>()
  const echo = (socket: Socket.Socket) =>
    Effect.gen(function* () {
      const write = yield* socket.writer
      yield* Effect.ensuring(Effect.ignore(socket.run(write)), ended.offer(undefined))
    }).pipe(Effect.scoped)
  yield* Effect.forkScoped(server.run(echo))
  return { ended, port: server.address._tag === "TcpAddress" ? server.address.port : 0 }
})

/** Sends bytes, and waits until as many have come back; then the connection stays open until it breaks. */
const talk = Effect.fnUntraced(function* (port: number, bytes: number) {
  const socket = yield* NodeSocket.makeNet({ host, port })
  const back = yield* Deferred.make<number>()
  let sum = 0
  let count = 0
  const running = yield* Effect.fork(
    socket.run((chunk) => {
      count += chunk.length
      for (const byte of chunk) sum += byte
      if (count === bytes) Deferred.unsafeDone(back, Effect.succeed(sum))
    })
  )
  const write = yield* socket.writer
  yield* write(new Uint8Array(bytes).map((_, index) => index % 251))
  assert.strictEqual(
    yield* Deferred.await(back),
    new Uint8Array(bytes).map((_, index) => index % 251).reduce((a, b) => a + b, 0)
  )
  return running
})

describe("Proxy", () => {
  it.scopedLive("passes everything on, in both directions", () =>
    Effect.gen(function* () {
      const { port } = yield* makeEcho
      const proxy = yield* Proxy.make
      yield* proxy.leadTo(port)
      yield* talk(proxy.port, 3_000_000)
    })
  )

  it.scopedLive("resets both ends of every connection, and lets new ones through", () =>
    Effect.gen(function* () {
      const echo = yield* makeEcho
      const proxy = yield* Proxy.make
      yield* proxy.leadTo(echo.port)
      assert.strictEqual(yield* proxy.reset, 0)
      const open = yield* Effect.all([talk(proxy.port, 10), talk(proxy.port, 10)])
      assert.strictEqual(yield* proxy.reset, 2)
      for (const fiber of open) assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).reason, "Read")
      yield* echo.ended.takeN(2)
      assert.strictEqual(yield* proxy.reset, 0)
      const again = yield* talk(proxy.port, 10)
      assert.strictEqual(yield* proxy.reset, 1)
      yield* Fiber.await(again)
    })
  )

  it.scopedLive("ends every connection without a reset", () =>
    Effect.gen(function* () {
      const echo = yield* makeEcho
      const proxy = yield* Proxy.make
      yield* proxy.leadTo(echo.port)
      const open = yield* talk(proxy.port, 10)
      assert.strictEqual(yield* proxy.cut, 1)
      yield* Fiber.join(open)
      yield* echo.ended.take
      assert.strictEqual(yield* proxy.cut, 0)
    })
  )

  it.scopedLive("ends a connection in the middle of what runs through it", () =>
    Effect.gen(function* () {
      const echo = yield* makeEcho
      const proxy = yield* Proxy.make
      yield* proxy.leadTo(echo.port)
      const socket = yield* NodeSocket.makeNet({ host, port: proxy.port })
      const first = yield* Deferred.make<void>()
      let back = 0
      const running = yield* Effect.fork(
        socket.run((chunk) => {
          back += chunk.length
          return Deferred.succeed(first, undefined)
        })
      )
      const write = yield* socket.writer
      yield* write(new Uint8Array(100))
      yield* Deferred.await(first)
      assert.strictEqual(yield* proxy.truncate, 1)
      yield* write(new Uint8Array(100))
      yield* Fiber.await(running)
      assert.isBelow(back, 200)
      yield* echo.ended.take
      yield* Effect.flatMap(talk(proxy.port, 10), Fiber.interrupt)
    })
  )

  it.scopedLive.each(["in", "out", "both"] as const)("passes nothing on while it is stalled: %s", (direction) =>
    Effect.gen(function* () {
      const { port } = yield* makeEcho
      const proxy = yield* Proxy.make
      yield* proxy.leadTo(port)
      yield* proxy.stall(direction)
      const talking = yield* Effect.fork(talk(proxy.port, 10))
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Fiber.await(talking), "100 millis")))
      yield* proxy.clear
      yield* Effect.flatMap(Fiber.join(talking), Fiber.interrupt)
    })
  )

  it.scopedLive("has each piece come late, in both directions", () =>
    Effect.gen(function* () {
      const { port } = yield* makeEcho
      const proxy = yield* Proxy.make
      yield* proxy.leadTo(port)
      yield* proxy.delay("100 millis")
      const start = yield* Clock.currentTimeMillis
      yield* Effect.flatMap(talk(proxy.port, 10), Fiber.interrupt)
      assert.isAtLeast((yield* Clock.currentTimeMillis) - start, 195)
    })
  )

  it.scopedLive("refuses while it leads nowhere, and ends a connection that leads to nobody", () =>
    Effect.gen(function* () {
      const proxy = yield* Proxy.make
      const attempt = Effect.flatMap(NodeSocket.makeNet({ host, port: proxy.port }), (socket) => socket.run(() => {}))
      yield* Effect.ignore(attempt)
      const { port } = yield* Effect.scoped(makeEcho)
      yield* proxy.leadTo(port)
      yield* Effect.ignore(attempt)
      assert.strictEqual(yield* proxy.reset, 0)
    })
  )

  it.scopedLive("ends with its scope, connections and all", () =>
    Effect.gen(function* () {
      const { port } = yield* makeEcho
      const [open, its] = yield* Effect.scoped(
        Effect.gen(function* () {
          const proxy = yield* Proxy.make
          yield* proxy.leadTo(port)
          return [yield* talk(proxy.port, 10), proxy.port] as const
        })
      )
      yield* Fiber.await(open)
      const refused = NodeSocket.makeNet({ host, port: its })
      assert.isTrue(yield* Effect.isFailure(Effect.flatMap(refused, (socket) => socket.run(() => {}))))
    })
  )
})

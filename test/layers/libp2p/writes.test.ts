/** What writes cost on a TCP socket: system calls, of which libp2p makes more than there need be. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Net from "node:net"
import { vi } from "vitest"
import { afterReading } from "../../../src/layers/libp2p/afterReading.ts"
import * as ConnectionFactoryLibp2p from "../../../src/layers/ConnectionFactoryLibp2p.ts"
import * as Frame from "../../../src/protocol/Frame.ts"
import { ConnectionFactory } from "../../../src/services/ConnectionFactory.ts"
import { RemoteIdentity } from "../../../src/services/RemoteIdentity.ts"
import { seeds } from "../../support/kernel.ts"
import { peerIds } from "../../support/site.ts"

const start = (name: "alice" | "bob", listen: ReadonlyArray<string>) => {
  const identity = Layer.mock(RemoteIdentity, {
    peerId: peerIds[name],
    incarnationId: name,
    keySeed: Redacted.make(new Uint8Array(Buffer.from(seeds[name], "hex")))
  })
  const factory = ConnectionFactoryLibp2p.layer({ listen: [...listen] }).pipe(Layer.provide(identity))
  return Effect.map(Layer.build(factory), Context.get(ConnectionFactory))
}

/** Both ends of a channel, on which one small frame has come over already: with the first the stream is accepted. */
const pair = Effect.gen(function* () {
  const bob = yield* start("bob", ["/ip4/127.0.0.1/tcp/0"])
  const alice = yield* start("alice", [])
  const near = yield* alice.dial(peerIds.bob, yield* bob.listenAddresses)
  const far = yield* Effect.flatMap(bob.incoming.take, (incoming) => incoming.accept)
  yield* near.send(Frame.encode([new Uint8Array(1)]))
  yield* far.receive
  return { near, far }
})

/** How often sockets of this process ask the system to write; pieces that are gathered count once. */
const countWrites = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => [vi.spyOn(Net.Socket.prototype, "_write"), vi.spyOn(Net.Socket.prototype, "_writev")]),
    (spies) => Effect.sync(() => spies.forEach((spy) => spy.mockRestore()))
  ),
  (spies) => () => spies.reduce((calls, { mock }) => calls + mock.calls.length, 0)
)

/** How often something that arrives is told by an error that a length is out of range. */
const countErrors = Effect.acquireRelease(
  Effect.sync(() => vi.spyOn(globalThis, "RangeError")),
  (spy) => Effect.sync(() => spy.mockRestore())
)

describe("A write", () => {
  for (const bytes of [1, 300, 60_000]) {
    it.scopedLive(`of ${bytes} bytes is one of the socket's, although Noise makes pieces of it`, () =>
      Effect.gen(function* () {
        const { near } = yield* pair
        const frames = Frame.encode([new Uint8Array(bytes)])
        const writes = yield* countWrites
        const sent = near.sendNow(frames)
        assert.isTrue(Exit.isExit(sent), "there is nothing to wait for")
        // What answers comes in a later turn of the event loop.
        assert.strictEqual(writes(), 1)
      })
    )
  }

  it.scopedLive("of much arrives as it was, and leaves none of the cipher's buffers behind", () =>
    Effect.gen(function* () {
      const { far, near } = yield* pair
      const write = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(Net.Socket.prototype, "write")),
        (spy) => Effect.sync(() => spy.mockRestore())
      )
      const said = Array.from({ length: 40 }, (_, index) =>
        new Uint8Array(60_000).map((_, at) => (at * 31 + index) % 251)
      )
      // More than a socket takes at once, so that some of it waits in queues.
      yield* Effect.fork(Effect.forEach(said, (frame) => near.send(Frame.encode([frame]))))
      const heard: Array<Uint8Array> = []
      while (heard.length < said.length) heard.push(...(yield* far.receive))
      assert.deepStrictEqual(heard, said)
      const written = write.mock.calls.flatMap(([bytes]) => (bytes instanceof Uint8Array ? [bytes] : []))
      // The last of it may not have been told yet.
      while (written.some(({ length }) => length > 50_000)) yield* Effect.promise(() => new Promise<void>(afterReading))
      assert.isAtLeast(written.filter(({ buffer }) => buffer.byteLength === 0).length, said.length)
    })
  )

  it.scopedLive("is answered by opening the window again only when half of it is used up", () =>
    Effect.gen(function* () {
      const { far, near } = yield* pair
      const frames = Frame.encode([new Uint8Array(1000)])
      const exchange = Effect.zipRight(near.send(frames), far.receive)
      const writes = yield* countWrites
      yield* Effect.replicateEffect(exchange, 100, { discard: true })
      // Libp2p may have something of its own to say meanwhile.
      assert.isBelow(writes(), 110)
      yield* Effect.replicateEffect(exchange, 900, { discard: true })
      assert.isAbove(writes(), 1001)
      assert.isBelow(writes(), 1030)
    })
  )

  it.scopedLive("arrives without an error for each piece that is read to its end", () =>
    Effect.gen(function* () {
      const { far, near } = yield* pair
      const errors = yield* countErrors
      yield* Effect.replicateEffect(Effect.zipRight(near.send(Frame.encode([new Uint8Array(1000)])), far.receive), 200)
      // Libp2p may read something of its own meanwhile.
      assert.isBelow(errors.mock.calls.length, 20)
    })
  )

  it.scopedLive("of much is read in several turns of the event loop, so that others are heard in between", () =>
    Effect.gen(function* () {
      const { far, near } = yield* pair
      const pauses = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(Net.Socket.prototype, "pause")),
        (spy) => Effect.sync(() => spy.mockRestore())
      )
      const write = Frame.encode(Array.from({ length: 16 }, () => new Uint8Array(60_000)))
      yield* Effect.fork(near.send(write))
      let heard = 0
      while (heard < 16) heard += (yield* far.receive).length
      assert.isAbove(pauses.mock.calls.length, 0)
    })
  )
})

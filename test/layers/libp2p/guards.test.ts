/** What libp2p would read for as long as it arrives, before a protocol of ours speaks: the first bytes that are wrong end it. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import { intrude, openWith, plug } from "../../support/libp2pAttacker.ts"
import { peerIds } from "../../support/site.ts"
import { server, startKernel, startRelay } from "../../support/libp2pKernel.ts"

const endless = new Uint8Array(65_536).fill(0xff)

const listeners = {
  kernel: Effect.flatMap(startKernel("alice", { factory: { listen: ["/ip4/127.0.0.1/tcp/0"] } }), ({ addresses }) =>
    Effect.map(addresses, ([address = ""]) => address)
  ),
  relay: Effect.map(startRelay(), ({ address }) => address)
}

/** Long before libp2p's own deadline of an upgrade, which is 10 s. */
const closed = (socket: Net.Socket) =>
  Effect.timeout(
    Effect.async<void>((resume) => void socket.on("close", () => resume(Effect.void))),
    "5 seconds"
  )

describe("A length that never ends", () => {
  for (const [name, listener] of Object.entries(listeners)) {
    it.scopedLive(`costs a socket its connection to a ${name} at once`, () =>
      Effect.gen(function* () {
        const socket = yield* plug(yield* listener)
        socket.resume().write(endless)
        yield* closed(socket)
      })
    )

    it.scopedLive(`costs a stream on a connection to a ${name} its life at once`, () =>
      Effect.gen(function* () {
        const connection = yield* intrude(yield* listener)
        const stream = yield* openWith(connection, endless)
        // Frames of a connection stay in order: what comes back of a later stream comes after the reset of this one.
        yield* Effect.flip(Effect.tryPromise(() => connection.newStream("/nothing/2")))
        assert.strictEqual(stream?.status, "reset")
      })
    )
  }

  it.scopedLive("ends a dial to whoever answers with it", () =>
    Effect.gen(function* () {
      const answering = yield* Deferred.make<Net.Socket>()
      const { port } = yield* server((socket) => {
        socket.write(endless)
        Deferred.unsafeDone(answering, Effect.succeed(socket))
      })
      const { factory } = yield* startKernel("alice")
      const address = `/ip4/127.0.0.1/tcp/${port}/p2p/${peerIds.bob}`
      yield* Effect.forkScoped(Effect.ignore(factory.dial(peerIds.bob, [address])))
      yield* closed(yield* Deferred.await(answering))
    })
  )
})

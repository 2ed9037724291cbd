/** What a write of ours costs on a TCP socket. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { vi } from "vitest"
import * as Frame from "../../../src/protocol/Frame.ts"
import { startKernel } from "../../support/libp2pKernel.ts"

/** How often sockets of this process are written to; what answers comes in a later turn of the event loop. */
const countWrites = Effect.acquireRelease(
  Effect.sync(() => vi.spyOn(Net.Socket.prototype, "write")),
  (spy) => Effect.sync(() => spy.mockRestore())
)

describe("A write", () => {
  for (const bytes of [1, 300, 60_000]) {
    it.scopedLive(`of ${bytes} bytes is one of the socket's, although Noise makes two pieces of it`, () =>
      Effect.gen(function* () {
        const alice = yield* startKernel("alice")
        const bob = yield* startKernel("bob", { factory: { listen: ["/ip4/127.0.0.1/tcp/0"] } })
        const channel = yield* alice.factory.dial(bob.peerId, yield* bob.addresses)
        const frames = Frame.encode([new Uint8Array(bytes)])
        const spy = yield* countWrites
        yield* channel.send(frames)
        assert.strictEqual(spy.mock.calls.length, 1)
      })
    )
  }
})

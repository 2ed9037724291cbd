import { assert, describe, it } from "@effect/vitest"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { identify } from "@libp2p/identify"
import { tcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import * as Effect from "effect/Effect"
import { createLibp2p } from "libp2p"
import { disable, enable } from "@libp2p/logger"
import { logger } from "../../../src/layers/libp2p/logging.ts"
import { connectionManager } from "../../../src/layers/libp2p/node.ts"
import { startKernel } from "../../support/libp2pKernel.ts"

describe("a kernel's node", () => {
  it.scopedLive("speaks identify, ping, the relay client and our own protocols, and nothing else", () =>
    Effect.gen(function* () {
      const bob = yield* startKernel("bob", { factory: { listen: ["/ip4/127.0.0.1/tcp/0"] } })
      const [address = ""] = yield* bob.addresses
      const node = yield* Effect.acquireRelease(
        Effect.promise(() =>
          createLibp2p({
            transports: [tcp()],
            connectionEncrypters: [noise()],
            streamMuxers: [yamux()],
            services: { identify: identify() }
          })
        ),
        (it) => Effect.promise(async () => it.stop())
      )
      const protocols = yield* Effect.async<ReadonlyArray<string>>((resume) => {
        node.addEventListener("peer:identify", ({ detail }) => resume(Effect.succeed(detail.protocols)), { once: true })
        node.dial(multiaddr(address)).catch((cause: unknown) => resume(Effect.die(cause)))
      })
      assert.sameMembers(
        [...protocols],
        ["/effect-remotes/1", "whatever", "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/libp2p/circuit/relay/0.2.0/stop"]
      )
    })
  )

  it("takes as many connections as the kernel has places for peers, two for each that dial each other at once", () => {
    assert.strictEqual(connectionManager(1000).maxConnections, 2000)
    assert.strictEqual(connectionManager(1).maxConnections, 300)
  })

  it("has libp2p log what is asked for by the time a logger is made, and nothing else", () => {
    const quiet = logger.forComponent("libp2p:test")
    enable("libp2p:test:one*")
    const [one, other] = ["one", "other"].map((scope) => quiet.newScope(scope))
    disable()
    const later = quiet.newScope("one")
    assert.deepStrictEqual([quiet.enabled, other?.enabled, later.enabled], [false, false, false])
    // It is libp2p's own, which goes with what is asked for later as well.
    enable("libp2p:test:one*")
    assert.isTrue(one?.enabled)
    disable()
    quiet("nobody hears %s", "this")
    quiet.error("nor this")
  })
})

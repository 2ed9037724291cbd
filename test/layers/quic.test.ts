import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { numbered } from "../support/kernel.ts"
import type { Link, LinkState } from "../../src/services/Transport.ts"
import { deliverAll, startKernel } from "../support/libp2pKernel.ts"

const listen = ["/ip4/127.0.0.1/udp/0/quic-v1"]

/** Not every machine has the native part of the package: then this says why. */
const loaded = await import("@chainsafe/libp2p-quic").then(
  ({ quic }) => ({ quic, reason: "" }),
  (cause: unknown) => ({ quic: undefined, reason: String(cause).split("\n", 1)[0] ?? "" })
)

/** What a link does next that is like this. */
const next = (link: Link, isIt: (state: LinkState) => boolean) =>
  link.changes.pipe(Stream.filter(isIt), Stream.runHead, Effect.flatten)

const { quic, reason } = loaded
if (quic === undefined) describe(`QUIC cannot be loaded here: ${reason}`, () => it.skip("is not tested"))
else {
  const dialer = () => ({ transports: [{ transport: quic() }] })
  const listener = () => ({ transports: [{ transport: quic(), listen }] })

  describe("QUIC, brought along as a transport", () => {
    it.scopedLive("is enough for two kernels to talk, both ways, and to part in good order", () =>
      Effect.gen(function* () {
        const alice = yield* startKernel("alice", { factory: dialer() })
        const bob = yield* startKernel("bob", { factory: listener() })
        const addresses = yield* bob.addresses
        assert.isTrue(addresses.length > 0 && addresses.every((it) => it.includes("/quic-v1/p2p/")))
        for (const body of numbered(1, 5)) yield* deliverAll(alice, bob, [body], addresses)
        yield* deliverAll(bob, alice, numbered(6, 10))
        assert.deepStrictEqual([bob.received, alice.received], [numbered(1, 5), numbered(6, 10)])
        const link = yield* alice.transport.link(bob.peerId)
        const ended = yield* Effect.fork(next(link, (it) => it._tag === "BackingOff" || it._tag === "Idle"))
        yield* Effect.yieldNow()
        const [took] = yield* Effect.timed(bob.stop)
        assert.isBelow(Duration.toMillis(took), 2000)
        const state = yield* Fiber.join(ended)
        assert.strictEqual("error" in state && state.error?._tag, "StreamClosedError")
      })
    )

    it.scopedLive("loses nothing to a slow reader, and comes back after a reset", () =>
      Effect.gen(function* () {
        const alice = yield* startKernel("alice", { factory: dialer() })
        const bob = yield* startKernel("bob", { factory: listener(), onReceive: () => Effect.sleep("50 millis") })
        const bodies = numbered(1, 12).map((it) => it.padEnd(900_000))
        yield* deliverAll(alice, bob, bodies, yield* bob.addresses).pipe(Effect.timeout("20 seconds"))
        assert.isTrue(bob.received.length === 12 && bodies.every((body, i) => bob.received[i] === body))
        assert.lengthOf(alice.dialed, 1)
        const link = yield* alice.transport.link(bob.peerId)
        yield* alice.dialed[0]!.abort(new Error("enough"))
        yield* next(link, ({ _tag }) => _tag === "BackingOff")
        yield* deliverAll(alice, bob, ["again"])
        assert.strictEqual(bob.received.at(-1), "again")
      })
    )
  })
}

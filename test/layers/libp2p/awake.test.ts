/** A kernel's place in the network keeps the event loop awake for quick answers, if its options say so. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { pbkdf2 } from "node:crypto"
import { performance } from "node:perf_hooks"
import { vi } from "vitest"
import * as ConnectionFactoryLibp2p from "../../../src/layers/ConnectionFactoryLibp2p.ts"
import * as Frame from "../../../src/protocol/Frame.ts"
import { ConnectionFactory } from "../../../src/services/ConnectionFactory.ts"
import { RemoteIdentity } from "../../../src/services/RemoteIdentity.ts"
import { seeds } from "../../support/kernel.ts"
import { peerIds } from "../../support/site.ts"

const start = (name: "alice" | "bob", options: typeof ConnectionFactoryLibp2p.Options.Encoded) => {
  const identity = Layer.mock(RemoteIdentity, {
    peerId: peerIds[name],
    incarnationId: name,
    keySeed: Redacted.make(new Uint8Array(Buffer.from(seeds[name], "hex")))
  })
  const factory = ConnectionFactoryLibp2p.layer(options).pipe(Layer.provide(identity))
  return Effect.map(Layer.build(factory), Context.get(ConnectionFactory))
}

/** A channel on which there have been exchanges, for which it took no time by the clock. */
const makeQuick = (options: typeof ConnectionFactoryLibp2p.Options.Encoded, listen: string) =>
  Effect.gen(function* () {
    const bob = yield* start("bob", { ...options, listen: [listen] })
    const alice = yield* start("alice", options)
    const near = yield* alice.dial(peerIds.bob, yield* bob.listenAddresses)
    const frame = Frame.encode([new Uint8Array(100)])
    yield* near.send(frame)
    const far = yield* Effect.flatMap(bob.incoming.take, (incoming) => incoming.accept)
    yield* far.receive
    const exchange = near.send(frame).pipe(Effect.zipRight(far.receive), Effect.zipRight(far.send(frame)))
    yield* Effect.replicateEffect(Effect.zipRight(exchange, near.receive), 20, { discard: true })
    return Effect.zipRight(near.send(frame), far.receive)
  })

/** Stops the clock by which it is told how long answers take; gives what sets it forward. */
const stopClock = Effect.gen(function* () {
  let now = performance.now()
  yield* Effect.acquireRelease(
    Effect.sync(() => vi.spyOn(performance, "now").mockImplementation(() => now)),
    (clock) => Effect.sync(() => clock.mockRestore())
  )
  return (millis: number) => {
    now += millis
  }
})

const loops = () => performance.nodeTiming.uvMetricsInfo.loopCount

/** How often the event loop goes round while another thread is at work for a moment: ten thousands of times if it does not sleep. */
const roundsMeanwhile = Effect.async<number>((resume) => {
  const before = loops()
  pbkdf2("", "", 200_000, 64, "sha512", () => resume(Effect.succeed(loops() - before)))
})

describe("The event loop", () => {
  for (const listen of ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"]) {
    it.scopedLive(`waits awake on ${listen} for an answer that is about to come, and no longer than 1 ms`, () =>
      Effect.gen(function* () {
        const forward = yield* stopClock
        const ask = yield* makeQuick({}, listen)
        yield* ask
        assert.isAbove(yield* roundsMeanwhile, 5000)
        forward(1)
        assert.isBelow(yield* roundsMeanwhile, 2500)
      })
    )

    it.scopedLive(`waits asleep on ${listen} where busy polling is off`, () =>
      Effect.gen(function* () {
        yield* stopClock
        const ask = yield* makeQuick({ busyPolling: false }, listen)
        yield* ask
        assert.isBelow(yield* roundsMeanwhile, 2500)
      })
    )
  }
})

/** What strangers may do to a relay, beside two honest kernels that reach each other through it alone. */
import { assert, describe, it } from "@effect/vitest"
import { RELAY_V2_HOP_CODEC } from "@libp2p/circuit-relay-v2"
import type { Connection, Stream } from "@libp2p/interface"
import { peerIdFromString } from "@libp2p/peer-id"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { framed } from "../../support/attacker.ts"
import { intrude, say } from "../../support/libp2pAttacker.ts"
import { assertHeard } from "../../support/libp2pHonest.ts"
import { deliverAll, type Kernel, reserved, startKernel, startRelay } from "../../support/libp2pKernel.ts"

type Relay = Effect.Effect.Success<ReturnType<typeof startRelay>>

const part = (tag: number, bytes: Uint8Array) => Uint8Array.of(tag, bytes.length, ...bytes)

/** What is asked of a relay, by the byte: circuit relay v2. */
const reserve = framed(Uint8Array.of(0x08, 0x00))
const connectTo = (peerId: string) =>
  framed(Uint8Array.of(0x08, 0x01, ...part(0x12, part(0x0a, peerIdFromString(peerId).toMultihash().bytes))))

/** Opens a stream and asks; whether the relay answers is its own matter. */
const ask = (connection: Connection, request: Uint8Array) =>
  Effect.gen(function* () {
    const stream = yield* Effect.tryPromise(() =>
      connection.newStream(RELAY_V2_HOP_CODEC, { maxOutboundStreams: 1000, negotiateFully: false })
    )
    yield* say(stream, request)
    return stream
  })

const scene = (
  options: Parameters<typeof startRelay>[1],
  attack: (relay: Relay, alice: Kernel) => Effect.Effect<unknown, unknown, Scope.Scope>
) =>
  Effect.gen(function* () {
    const relay = yield* startRelay(0, options)
    const factory = { relays: [relay.address] }
    const alice = yield* startKernel("alice", { factory })
    const bob = yield* startKernel("bob", { factory })
    yield* Effect.all([reserved(alice, relay.address), reserved(bob, relay.address)])
    yield* deliverAll(bob, alice, ["hello"])
    yield* attack(relay, alice)
    yield* assertHeard("one that was there before", bob, alice)
    assert.includeMembers(
      [...(yield* relay.server.reservations)].map(String),
      [alice.peerId, bob.peerId],
      "honest places"
    )
    return { relay, alice, bob }
  })

const times = (count: number) => Array.from({ length: count })

describe.concurrent("A relay goes on beside", () => {
  it.scopedLive("strangers that ask for places without end", () =>
    Effect.gen(function* () {
      const { relay } = yield* scene({ maxReservations: 5 }, ({ address }) =>
        Effect.forEach(times(10), () =>
          Effect.gen(function* () {
            const connection = yield* intrude(address)
            yield* Effect.forkScoped(Effect.forever(Effect.delay(ask(connection, reserve), "5 millis")))
          })
        )
      )
      assert.lengthOf(yield* relay.server.reservations, 5)
    })
  )

  it.scopedLive("a stranger that opens relayed connections without end", () =>
    Effect.gen(function* () {
      let streams: ReadonlyArray<Stream> = []
      yield* scene({}, ({ address }, alice) =>
        Effect.gen(function* () {
          const connection = yield* intrude(address)
          streams = yield* Effect.forEach(times(400), () => ask(connection, connectTo(alice.peerId)))
        })
      )
      const open = streams.filter(({ status }) => status === "open").length
      assert.isAtMost(open, 256)
    })
  )
})

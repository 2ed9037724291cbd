/**
 * What hostile peers may do to a kernel on real libp2p, beside an honest one: beside every attack at least nine of ten honest
 * messages are acknowledged within a second, and the victim, a process of its own, holds less than 8 MiB for each attacker.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@libp2p/interface"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { framed, json, mostHeld } from "../support/attacker.ts"
import { enter, intrude, open, openWith, plug, repeat, say } from "../support/libp2pAttacker.ts"
import { assertHeard } from "../support/libp2pHonest.ts"
import { eventually, type Kernel, startKernel } from "../support/libp2pKernel.ts"
import { startVictim, type Victim } from "../support/victim.ts"

type Attack = (address: string) => Effect.Effect<unknown, unknown, Scope.Scope>

interface Row {
  readonly name: string
  readonly attackers: number
  /** What one of them does. */
  readonly attack: Attack
}

const times = (count: number) => Array.from({ length: count })

const endless = new Uint8Array(65_536).fill(0xff)

const onConnection =
  (act: (connection: Connection) => Effect.Effect<unknown, unknown, Scope.Scope>): Attack =>
  (address) =>
    Effect.flatMap(intrude(address), act)

const redeem = (seq: number) => ({ seq, method: "redeemURL", params: [`ocap:${"x".repeat(500)}`, `${seq}`] })

/** Nobody of these ever says a sensible message, so that nothing of them may remain. */
const strangers: ReadonlyArray<Row> = [
  { name: "sockets that say nothing", attackers: 40, attack: (address) => plug(address) },
  {
    name: "sockets with garbage where Noise is due",
    attackers: 40,
    attack: (address) =>
      Effect.tap(plug(address), (socket) => Effect.sync(() => socket.write(Buffer.alloc(65_536, "GET / HTTP/1.1\r\n"))))
  },
  {
    name: "sockets with a length that never ends",
    attackers: 40,
    attack: (address) => Effect.tap(plug(address), (socket) => Effect.sync(() => socket.write(endless)))
  },
  {
    name: "sockets that come and go",
    attackers: 1,
    attack: (address) => Effect.forever(Effect.zipRight(Effect.scoped(plug(address)), Effect.sleep("1 millis")))
  },
  { name: "connections without streams", attackers: 20, attack: onConnection(() => Effect.void) },
  {
    name: "streams without end",
    attackers: 2,
    attack: onConnection((connection) => Effect.forEach(times(200), () => open(connection)))
  },
  {
    name: "streams with a length that never ends where the name of a protocol is due",
    attackers: 2,
    attack: onConnection((connection) => Effect.forEach(times(100), () => openWith(connection, endless)))
  },
  {
    name: "streams that never say hello",
    attackers: 20,
    attack: onConnection((connection) => Effect.forEach(times(4), () => open(connection)))
  },
  {
    name: "handshakes without end",
    attackers: 2,
    attack: onConnection((connection) =>
      Effect.forever(
        Effect.zipRight(Effect.option(Effect.timeout(enter(connection), "100 millis")), Effect.sleep("2 millis"))
      )
    )
  },
  {
    name: "frames of a megabyte that never end",
    attackers: 10,
    attack: onConnection((connection) =>
      Effect.gen(function* () {
        const stream = yield* enter(connection)
        const head = framed(new Uint8Array(1_048_576)).subarray(0, 1_000_000)
        yield* say(stream, head)
        yield* Effect.forever(Effect.zipRight(say(stream, Uint8Array.of(0x20)), Effect.sleep("100 millis")))
      })
    )
  },
  {
    name: "a length bomb, again and again",
    attackers: 5,
    attack: onConnection((connection) =>
      Effect.flatMap(enter(connection), (stream) => repeat(stream, new Uint8Array(64).fill(0xff)))
    )
  },
  {
    name: "empty frames by the hundred thousand",
    attackers: 5,
    attack: onConnection((connection) =>
      Effect.flatMap(enter(connection), (stream) => repeat(stream, new Uint8Array(100_000)))
    )
  },
  {
    name: "probes without end whose answers nobody reads",
    attackers: 5,
    attack: onConnection((connection) =>
      Effect.gen(function* () {
        const stream = yield* enter(connection)
        stream.pause()
        const probes = framed(...Array<string>(20_000).fill('{"probe":1}'))
        yield* repeat(stream, probes)
      })
    )
  }
]

/** These said something sensible first; each has a record, and does what it may as often as it can. */
const acquaintances: ReadonlyArray<Row> = [
  {
    name: "redemptions without end whose answers nobody reads",
    attackers: 2,
    attack: onConnection((connection) =>
      Effect.gen(function* () {
        const stream = yield* enter(connection)
        stream.pause()
        yield* say(stream, json(...times(5000).map((_, index) => redeem(index + 1))))
        yield* Effect.forever(Effect.zipRight(say(stream, framed('{"probed":1}')), Effect.sleep("100 millis")))
      })
    )
  },
  {
    name: "large messages as fast as they are taken, none of whose answers are acknowledged",
    attackers: 2,
    attack: onConnection((connection) =>
      Effect.gen(function* () {
        const stream = yield* enter(connection)
        const body = { methargs: { body: "x".repeat(200_000), slots: [] }, result: "rp+1" }
        for (let seq = 1; stream.status === "open"; seq += 1) {
          yield* say(stream, json({ seq, method: "deliver", params: ["message", "ro-1", body] }))
          yield* Effect.ignore(Effect.tryPromise((signal) => stream.onDrain({ signal })))
          yield* Effect.sleep("5 millis")
        }
      })
    )
  }
]

const run = (honest: Kernel, victim: Victim, { attack, attackers, name }: Row) =>
  Effect.gen(function* () {
    const before = yield* victim.standing
    yield* Effect.forEach(times(attackers), () => Effect.forkScoped(Effect.ignore(attack(victim.address))))
    yield* assertHeard(name, honest, victim, [victim.address])
    const during = yield* victim.standing
    assert.isBelow((during.bytes - before.bytes) / attackers, mostHeld, `${name}: bytes for each attacker`)
  }).pipe(Effect.scoped)

const startPair = Effect.gen(function* () {
  const victim = yield* startVictim
  const honest = yield* startKernel("bob")
  yield* assertHeard("nothing", honest, victim, [victim.address])
  return { honest, victim }
})

describe("On real libp2p an honest peer goes on beside", () => {
  it.scopedLive("strangers of every kind, and nothing of them remains", () =>
    Effect.gen(function* () {
      const { honest, victim } = yield* startPair
      for (const row of strangers) {
        yield* run(honest, victim, row)
        assert.deepStrictEqual((yield* victim.standing).records, [honest.peerId], row.name)
      }
      const isAlone = Effect.map(victim.standing, ({ links }) => links.length === 1)
      yield* eventually(isAlone)
    })
  )

  it.scopedLive("acquaintances that do what they may as often as they can", () =>
    Effect.gen(function* () {
      const { honest, victim } = yield* startPair
      for (const row of acquaintances) yield* run(honest, victim, row)
      const met = acquaintances.reduce((sum, { attackers }) => sum + attackers, 0)
      assert.lengthOf((yield* victim.standing).records, 1 + met)
    })
  )
})

/** Peers on real libp2p that do not take what they are sent, beside an honest one. */
import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@libp2p/interface"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { failures, framed, json, mostHeld } from "../../support/attacker.ts"
import { message } from "../../support/kernel.ts"
import { enter, intrude, say } from "../../support/libp2pAttacker.ts"
import { assertHeard } from "../../support/libp2pHonest.ts"
import { eventually, type Kernel, portOf, server, startKernel } from "../../support/libp2pKernel.ts"
import { startVictim } from "../../support/victim.ts"

const listen = { factory: { listen: ["/ip4/127.0.0.1/tcp/0"] } }
const impatient = { writeTimeout: "1 second", overflow: "fail", maxPendingBytes: mostHeld } as const

interface Pair {
  readonly kernel: Kernel
  readonly honest: Kernel
}

/** The stopped process is alice. */
const startPair = Effect.gen(function* () {
  const kernel = yield* startKernel("bob", { ...listen, config: impatient })
  const honest = yield* startKernel("carol")
  const [address = ""] = yield* kernel.addresses
  yield* assertHeard("nothing", honest, kernel, [address])
  return { kernel, honest, address }
})

/** Becomes a remote, and says from then on that it is there, ten times a second. */
const befriend = (connection: Connection) =>
  Effect.gen(function* () {
    const stream = yield* enter(connection)
    yield* say(stream, json({ seq: 1, method: "deliver", params: ["bringOutYourDead"] }))
    yield* Effect.forkScoped(Effect.forever(Effect.delay(say(stream, framed('{"probed":1}')), "100 millis")))
    return stream
  })

const givenUp = failures("WriteTimeoutError")

/** Sends more than the peer will take, until its channel is lost to a deadline; the honest peer is heard meanwhile. */
const assertGivenUp = (what: string, { honest, kernel }: Pair, peerId: string) =>
  Effect.gen(function* () {
    const before = yield* givenUp
    const handle = yield* kernel.remotes.get(peerId)
    yield* Effect.forkScoped(Effect.ignore(Effect.forever(handle.deliver(message("x".repeat(500_000))))))
    yield* assertHeard(what, honest, kernel)
    yield* eventually(Effect.map(givenUp, (count) => count > before))
    assert.isAtMost((yield* kernel.store.countPending(handle.peerId)).bytes, mostHeld + 1_048_576)
  })

const strangerOf = ({ honest, kernel }: Pair) =>
  Effect.gen(function* () {
    const others = () =>
      Effect.map(kernel.store.listRemotes, (all) =>
        all.map(({ peerId }) => peerId).filter((it) => it !== honest.peerId)
      )
    yield* eventually(Effect.map(others(), (all) => all.length > 0))
    return (yield* others())[0] ?? assert.fail("nobody came")
  })

/** A way to a listener on which everything comes back at once until `slow`, and then a byte a second. */
const trickling = (target: number) =>
  Effect.gen(function* () {
    const pairs: Array<readonly [Net.Socket, Net.Socket]> = []
    const { port } = yield* server((socket) => {
      const through = Net.connect(target, "127.0.0.1")
      through.on("error", () => socket.destroy()).on("close", () => socket.destroy())
      socket.on("close", () => through.destroy())
      socket.pipe(through)
      through.pipe(socket)
      pairs.push([socket, through])
    })
    const pass = Effect.sync(() => {
      for (const [socket, through] of pairs) {
        through.unpipe(socket).pause()
        const byte: unknown = through.read(1)
        if (byte instanceof Uint8Array) socket.write(byte)
      }
    })
    return { port, slow: Effect.zipRight(pass, Effect.forkScoped(Effect.forever(Effect.delay(pass, "1 second")))) }
  })

describe("An honest peer goes on, and a peer is given up,", () => {
  it.scopedLive("that leaves its window at zero for ever", () =>
    Effect.gen(function* () {
      const pair = yield* startPair
      const stream = yield* befriend(yield* intrude(pair.address))
      stream.pause()
      yield* assertGivenUp("a window of zero", pair, yield* strangerOf(pair))
    })
  )

  it.scopedLive("that reads a byte a second", () =>
    Effect.gen(function* () {
      const pair = yield* startPair
      const { port, slow } = yield* trickling(portOf(pair.address))
      yield* befriend(yield* intrude(pair.address.replace(/tcp\/\d+/u, `tcp/${port}`)))
      yield* slow
      yield* assertGivenUp("a byte a second", pair, yield* strangerOf(pair))
    })
  )

  it.scopedLive("whose process is stopped", () =>
    Effect.gen(function* () {
      const pair = yield* startPair
      const frozen = yield* startVictim
      const handle = yield* pair.kernel.remotes.get(frozen.peerId, { hints: [frozen.address] })
      yield* Effect.flatMap(handle.deliver(message("hello")), (it) => it.acknowledged)
      yield* frozen.freeze
      yield* assertGivenUp("a process that is stopped", pair, frozen.peerId)
    })
  )
})

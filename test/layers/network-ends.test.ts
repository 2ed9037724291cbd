import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as PeerId from "../../src/protocol/PeerId.ts"
import type { LinkState } from "../../src/services/Transport.ts"
import { sendAll } from "../support/kernel.ts"
import { deliverAll, type Kernel, portOf, startKernel } from "../support/libp2pKernel.ts"

const tcp = "/ip4/127.0.0.1/tcp/0"

/** Bob as a process of his own, and how to kill him. */
const startProcess = Effect.gen(function* () {
  const file = fileURLToPath(new URL("../support/kernelProcess.ts", import.meta.url))
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--conditions=effect-remotes-source", file], { stdio: ["pipe", "pipe", "inherit"] })
    ),
    (it) => Effect.sync(() => it.kill("SIGKILL"))
  )
  const address = yield* Effect.async<string>((resume) => {
    createInterface({ input: child.stdout }).once("line", (line) => resume(Effect.succeed(line)))
  })
  const kill = Effect.promise(async () => {
    child.kill("SIGKILL")
    await once(child, "exit")
  })
  return { address, kill }
})

/** What a link does next that is like this. */
const next = (kernel: Kernel, peerId: PeerId.PeerId, isIt: (state: LinkState) => boolean) =>
  Effect.flatMap(kernel.transport.link(peerId), (link) =>
    link.changes.pipe(Stream.filter(isIt), Stream.runHead, Effect.flatten, Effect.orDie)
  )

describe.concurrent("channels of whole kernels on a real network", () => {
  it.scopedLive("are lost at once when the peer's process is killed, and opened again with its next life", () =>
    Effect.gen(function* () {
      const { address, kill } = yield* startProcess
      const peerId = yield* PeerId.fromString(/[^/]+$/u.exec(address)?.[0] ?? "")
      const alice = yield* startKernel("alice")
      yield* deliverAll(alice, { peerId }, ["before"], [address])
      const lost = yield* Effect.fork(next(alice, peerId, ({ _tag }) => _tag !== "Open"))
      yield* Effect.yieldNow()
      yield* kill
      const [took, state] = yield* Effect.timed(Fiber.join(lost))
      assert.isBelow(Duration.toMillis(took), 2000)
      assert(state._tag === "BackingOff")
      assert.strictEqual(state.error._tag, "StreamResetError")

      const handle = yield* alice.remotes.get(peerId)
      const [receipt] = yield* sendAll(handle, ["to the dead"])
      yield* next(
        alice,
        peerId,
        (it) => it._tag === "BackingOff" && it.error._tag === "DialFailedError" && it.error.code === "ECONNREFUSED"
      )

      // His memory died with him, so what was meant for him then is not for him now.
      const listen = [`/ip4/127.0.0.1/tcp/${portOf(address)}`]
      const bob = yield* startKernel("bob", { factory: { listen } })
      yield* alice.transport.reconnectPeer(peerId)
      const error = yield* Effect.flip(receipt!.acknowledged)
      assert.strictEqual(error._tag, "PeerRestartedError")
      yield* deliverAll(alice, bob, ["to the living"])
      assert.deepStrictEqual(bob.received, ["to the living"])
    })
  )

  it.scopedLive("end after 6 s of silence, for both, and the next message opens a new one and arrives", () =>
    Effect.gen(function* () {
      const config = { streamInactivityTimeout: Duration.seconds(6) }
      const bob = yield* startKernel("bob", { config, factory: { listen: [tcp] } })
      const alice = yield* startKernel("alice", { config })
      yield* deliverAll(alice, bob, ["before"], yield* bob.addresses)
      const [channel] = alice.dialed
      const ends = [
        next(alice, bob.peerId, ({ _tag }) => _tag !== "Open"),
        next(bob, alice.peerId, ({ _tag }) => _tag !== "Open")
      ]
      const [took, states] = yield* Effect.timed(Effect.all(ends, { concurrency: 2 }))
      assert.isTrue(states.every(({ _tag }) => _tag === "Idle"))
      assert.isTrue(Duration.between(took, { minimum: Duration.millis(5500), maximum: Duration.seconds(12) }))
      yield* channel!.ended
      assert.notStrictEqual(channel!.status(), "open")
      yield* deliverAll(alice, bob, ["after"])
      assert.deepStrictEqual(bob.received, ["before", "after"])
      assert.lengthOf(alice.dialed, 2)
    })
  )
})

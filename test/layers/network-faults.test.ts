import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import { numbered, sendAll } from "../support/kernel.ts"
import { deliverAll, eventually, type Kernel, portOf, proxy, server, startKernel } from "../support/libp2pKernel.ts"

const tcp = "/ip4/127.0.0.1/tcp/0"

const at = (port: number, kernel: Pick<Kernel, "peerId">) => `/ip4/127.0.0.1/tcp/${port}/p2p/${kernel.peerId}`

const listening = (name: "alice" | "bob" | "carol", options: Parameters<typeof startKernel>[1] = {}) =>
  startKernel(name, { ...options, factory: { listen: [tcp], ...options.factory } })

const openChannels = (...kernels: ReadonlyArray<Kernel>) =>
  kernels.flatMap(({ dialed }) => dialed).filter((channel) => channel.status() === "open").length

describe("whole kernels on a real network", () => {
  it.scopedLive("get their messages through after a path went silent with data on its way", () =>
    Effect.gen(function* () {
      const bob = yield* listening("bob")
      const { accepted, freeze, port } = yield* proxy(portOf((yield* bob.addresses)[0] ?? ""))
      const alice = yield* startKernel("alice", { config: { ackTimeout: Duration.seconds(2) } })
      yield* deliverAll(alice, bob, ["before"], [at(port, bob)])
      freeze()
      yield* deliverAll(alice, bob, numbered(1, 20)).pipe(Effect.timeout("10 seconds"))
      assert.deepStrictEqual(bob.received, ["before", ...numbered(1, 20)])
      assert.strictEqual(accepted(), 2)
    })
  )

  it.scopedLive("see a mute peer as one that does not answer, and reach it when it does", () =>
    Effect.gen(function* () {
      const bob = yield* listening("bob")
      const mute = yield* server()
      const alice = yield* startKernel("alice", { factory: { dialTimeout: Duration.millis(200) } })
      const handle = yield* alice.remotes.get(bob.peerId, { hints: [at(mute.port, bob)] })
      const [receipt] = yield* sendAll(handle, ["hello"])
      const link = yield* alice.transport.link(bob.peerId)
      const waiting = yield* link.changes.pipe(
        Stream.filter((state) => state._tag === "BackingOff"),
        Stream.runHead,
        Effect.flatten
      )
      assert.strictEqual(waiting.error._tag, "DialTimeoutError")
      yield* alice.transport.registerLocationHints(bob.peerId, yield* bob.addresses)
      yield* receipt!.acknowledged.pipe(Effect.timeout("2 seconds"))
      assert.deepStrictEqual(bob.received, ["hello"])
      yield* eventually(Effect.sync(() => mute.sockets.size === 0))
    })
  )

  it.scopedLive("lose no more than the stagger to a first address that swallows everything", () =>
    Effect.gen(function* () {
      const bob = yield* listening("bob")
      const mute = yield* server()
      const alice = yield* startKernel("alice")
      const hints = [at(mute.port, bob), ...(yield* bob.addresses)]
      const [took] = yield* Effect.timed(deliverAll(alice, bob, ["hello"], hints))
      assert.isBelow(Duration.toMillis(took), 2000)
      yield* eventually(Effect.sync(() => mute.sockets.size === 0))
    })
  )

  it.scopedLive("settle on one channel, without a loss, each of 20 times that both dial at once", () =>
    Effect.gen(function* () {
      const alice = yield* listening("alice")
      const bob = yield* listening("bob")
      const sent: Array<string> = []
      const losses: Array<string> = []
      const pairs = [
        [alice, bob],
        [bob, alice]
      ] as const
      for (const [from, to] of pairs) {
        const link = yield* from.transport.link(to.peerId)
        yield* link.changes.pipe(
          Stream.runForEach(({ _tag }) => Effect.sync(() => _tag === "BackingOff" && losses.push(_tag))),
          Effect.forkScoped
        )
      }
      for (let round = 1; round <= 20; round++) {
        const bodies = numbered(round * 10, round * 10 + 4)
        sent.push(...bodies)
        yield* Effect.forEach(
          pairs,
          ([from, to]) => Effect.flatMap(to.addresses, (hints) => deliverAll(from, to, bodies, hints)),
          { concurrency: 2 }
        ).pipe(Effect.timeout("10 seconds"))
        yield* eventually(Effect.sync(() => openChannels(alice, bob) === 1))
        yield* Effect.forEach(pairs, ([from, to]) => from.transport.closeConnection(to.peerId), { concurrency: 2 })
        yield* eventually(Effect.sync(() => openChannels(alice, bob) === 0))
        assert.deepStrictEqual(losses, [])
        yield* Effect.forEach(pairs, ([from, to]) => from.transport.reconnectPeer(to.peerId), { concurrency: 2 })
      }
      assert.deepStrictEqual(alice.received, sent)
      assert.deepStrictEqual(bob.received, sent)
      // Or they would not have dialed at once.
      assert.isAbove(alice.dialed.length + bob.dialed.length, 30)
    })
  )

  it.scopedLive("lose nothing of 12 times 0.9 MB to a handler that sleeps", () =>
    Effect.gen(function* () {
      let handled = 0
      const bob = yield* listening("bob", {
        onReceive: () => Effect.suspend(() => Effect.sleep(handled++ === 0 ? "1500 millis" : "100 millis"))
      })
      const alice = yield* startKernel("alice")
      const bodies = numbered(1, 12).map((it) => it.padEnd(900_000))
      yield* deliverAll(alice, bob, bodies, yield* bob.addresses).pipe(Effect.timeout("20 seconds"))
      assert.isTrue(bob.received.length === 12 && bodies.every((body, i) => bob.received[i] === body))
      assert.strictEqual(handled, 12)
      assert.lengthOf(alice.dialed, 1)
    })
  )

  it.scopedLive("reach two peers that restarted in parallel while a message waited for each", () =>
    Effect.gen(function* () {
      const carol = yield* startKernel("carol")
      const names = ["alice", "bob"] as const
      const first = yield* Effect.forEach(names, (name) =>
        Effect.gen(function* () {
          const disk = RemoteStoreMemory.makeDisk()
          const kernel = yield* listening(name, { disk })
          const [address = ""] = yield* kernel.addresses
          yield* deliverAll(carol, kernel, ["before"], [address])
          return { name, disk, kernel, listen: [`/ip4/127.0.0.1/tcp/${portOf(address)}`] }
        })
      )
      yield* Effect.forEach(first, ({ kernel }) => kernel.stop, { concurrency: 2 })
      const receipts = yield* Effect.forEach(first, ({ kernel }) =>
        Effect.flatMap(carol.remotes.get(kernel.peerId), (handle) => sendAll(handle, ["meanwhile"]))
      )
      const again = yield* Effect.forEach(
        first,
        ({ disk, kernel, listen, name }) => startKernel(name, { disk, received: kernel.received, factory: { listen } }),
        { concurrency: 2 }
      )
      yield* Effect.forEach(receipts.flat(), (receipt) => receipt.acknowledged).pipe(Effect.timeout("20 seconds"))
      for (const { received } of again) assert.deepStrictEqual(received, ["before", "meanwhile"])
    })
  )

  it.scopedLive("see the graceful stop of a peer as a clean end", () =>
    Effect.gen(function* () {
      const alice = yield* listening("alice")
      const bob = yield* startKernel("bob")
      yield* deliverAll(bob, alice, ["hello"], yield* alice.addresses)
      const link = yield* bob.transport.link(alice.peerId)
      const lost = yield* link.changes.pipe(
        Stream.filter((state) => state._tag === "BackingOff" || state._tag === "Idle"),
        Stream.runHead,
        Effect.flatten,
        Effect.fork
      )
      const handle = yield* alice.remotes.get(bob.peerId)
      yield* sendAll(handle, numbered(1, 100))
      const [took] = yield* Effect.timed(alice.stop)
      assert.isBelow(Duration.toMillis(took), 2000)
      const state = yield* Fiber.join(lost)
      assert.strictEqual(state.error?._tag, "StreamClosedError")
      for (const channel of bob.dialed) {
        assert.deepStrictEqual(yield* channel.ended, { by: "remote", clean: true, error: undefined })
      }
    })
  )
})

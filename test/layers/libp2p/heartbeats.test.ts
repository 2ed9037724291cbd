import { assert, describe, it } from "@effect/vitest"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { type Connection, TypedEventEmitter } from "@libp2p/interface"
import { PING_PROTOCOL, ping } from "@libp2p/ping"
import { tcp } from "@libp2p/tcp"
import * as Effect from "effect/Effect"
import { createLibp2p, type Libp2pOptions } from "libp2p"
import { vi } from "vitest"
import { type Events, heartbeats, type Pinged } from "../../../src/layers/libp2p/heartbeats.ts"

const interval = 1000

const step = 5

/** Connections that say when they are pinged, and to which nobody answers. */
const scene = () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  const events = new TypedEventEmitter<Events>()
  const service = heartbeats(interval)({ events })
  const pings: Array<number> = []
  const pinged = new Set<Pinged>()
  let now = 0
  const wait = async (millis: number) => {
    for (const end = now + millis; now < end; now += step) await vi.advanceTimersByTimeAsync(step)
  }
  const open = (): Pinged => {
    const newStream = async () => {
      pings.push(now)
      pinged.add(detail)
      throw Object.assign(new Error("no"), { name: "UnsupportedProtocolError" })
    }
    const detail: Pinged = { newStream, abort: () => assert.fail("it was answered") }
    events.safeDispatchEvent("connection:open", { detail })
    return detail
  }
  const close = (detail: Pinged) => events.safeDispatchEvent("connection:close", { detail })
  return { service, pings, pinged, open, close, wait }
}

/** The most that fell into one step. */
const most = (times: ReadonlyArray<number>) => {
  const counts = new Map<number, number>()
  for (const time of times) counts.set(time, (counts.get(time) ?? 0) + 1)
  return Math.max(...counts.values())
}

describe("heartbeats", () => {
  it("reach each connection in each interval, and not all in the same moment", async () => {
    const { open, pinged, pings, service, wait } = scene()
    try {
      service.start()
      Array.from({ length: 100 }, open)
      await wait(interval)
      assert.strictEqual(pinged.size, 100)
      assert.strictEqual(vi.getTimerCount(), 100, "one for each, for its next ping")
      await wait(9 * interval)
      assert.isAtLeast(pings.length, 900)
      assert.isAtMost(most(pings), 2)
    } finally {
      service.stop()
      vi.useRealTimers()
    }
  })

  it("end with their connection, and with the node", async () => {
    const { close, open, pings, service, wait } = scene()
    try {
      service.start()
      const [first] = [open(), open(), open()]
      assert.strictEqual(vi.getTimerCount(), 3)
      close(first)
      assert.strictEqual(vi.getTimerCount(), 2)
      service.stop()
      assert.strictEqual(vi.getTimerCount(), 0)
      open()
      await wait(2 * interval)
      assert.deepStrictEqual(pings, [])
    } finally {
      vi.useRealTimers()
    }
  })
})

describe("a ping that is under way", () => {
  it("ends with the node, which closes the connection by itself, and leaves no timer behind", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    try {
      const events = new TypedEventEmitter<Events>()
      const service = heartbeats(interval)({ events })
      const signals: Array<AbortSignal | undefined> = []
      const detail: Pinged = {
        newStream: async (_, options) => {
          signals.push(options?.signal)
          return new Promise((_resolve, reject) =>
            options?.signal?.addEventListener("abort", () => reject(new Error("aborted")))
          )
        },
        abort: () => assert.fail("nobody asked for it")
      }
      service.start()
      events.safeDispatchEvent("connection:open", { detail })
      await vi.advanceTimersByTimeAsync(interval)
      assert.deepStrictEqual(
        signals.map((signal) => signal?.aborted),
        [false]
      )
      service.stop()
      await vi.advanceTimersByTimeAsync(interval)
      assert.deepStrictEqual([signals[0]?.aborted, vi.getTimerCount()], [true, 0])
    } finally {
      vi.useRealTimers()
    }
  })
})

const node = (services: NonNullable<Libp2pOptions["services"]>) =>
  Effect.acquireRelease(
    Effect.promise(async () =>
      createLibp2p({
        addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        connectionMonitor: { enabled: false },
        services
      })
    ),
    (it) => Effect.promise(async () => it.stop())
  )

describe("heartbeats of a node", () => {
  it.scopedLive("go on while they are answered", () =>
    Effect.gen(function* () {
      const bob = yield* node({ ping: ping() })
      const alice = yield* node({ heartbeats: heartbeats(1000) })
      const connection = yield* Effect.promise(async () => alice.dial(bob.getMultiaddrs()))
      const pinged = yield* Effect.async<number>((resume) => {
        const newStream = connection.newStream.bind(connection)
        let count = 0
        connection.addEventListener("close", () => resume(Effect.succeed(count)))
        connection.newStream = async (...args) => {
          count += 1
          if (count === 3) resume(Effect.succeed(count))
          return newStream(...args)
        }
      })
      assert.deepStrictEqual([pinged, connection.status], [3, "open"])
    })
  )

  it.scopedLive("end a connection whose peer does not answer", () =>
    Effect.gen(function* () {
      const bob = yield* node({})
      yield* Effect.promise(async () => bob.handle(PING_PROTOCOL, () => undefined))
      const alice = yield* node({ heartbeats: heartbeats(50) })
      const closed = yield* Effect.async<Connection>((resume) => {
        alice.addEventListener("connection:close", ({ detail }) => resume(Effect.succeed(detail)))
        alice.dial(bob.getMultiaddrs()).catch((cause: unknown) => resume(Effect.die(cause)))
      })
      assert.strictEqual(closed.status, "aborted")
    })
  )
})

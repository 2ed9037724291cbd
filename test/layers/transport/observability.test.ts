import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import type { ChannelEnd } from "../../../src/services/ConnectionFactory.ts"
import type { Delivery } from "../../../src/protocol/Delivery.ts"
import { describeEnd } from "../../../src/layers/transport/channelEnd.ts"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import { message, startKernel } from "../../support/kernel.ts"
import { connect } from "../../support/link.ts"
import * as TestClock from "effect/TestClock"

/** What a metric of this name counts so far, in this process. */
const read = (name: string) =>
  Effect.map(Metric.snapshot, (pairs) => {
    let sum = 0
    for (const { metricKey, metricState } of pairs) {
      if (metricKey.name !== `effect_remotes_${name}`) continue
      const state: object = metricState
      if ("count" in state) sum += Number(state.count)
      else if ("value" in state) sum += Number(state.value)
    }
    return sum
  })

const names = [
  "connections",
  "dials_total",
  "handshakes_total",
  "reconnects_total",
  "failures_total",
  "resets_total",
  "probes_total",
  "frames_sent_total",
  "frames_received_total",
  "bytes_sent_total",
  "bytes_received_total",
  "inbox_bytes",
  "pending_messages",
  "pending_bytes",
  "round_trip_milliseconds"
] as const

const readAll = Effect.map(
  Effect.forEach(names, (name) => Effect.map(read(name), (value) => [name, value] as const)),
  (all): Record<string, number> => Object.fromEntries(all)
)

describe("Transport observability", () => {
  it.scoped("shows that an answer takes the ACK along: three frames for it, and two for what is not answered", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", {
        onReceive: (delivery, remotes, _, peer) =>
          delivery._tag === "Message" && delivery.target === "ask"
            ? Effect.orDie(Effect.flatMap(remotes.get(peer), (handle) => handle.deliver(message("answer"))))
            : Effect.void
      })
      const handle = yield* connect(alice, bob)
      for (const { frames, target } of [
        { target: "tell", frames: 2 },
        { target: "ask", frames: 3 }
      ]) {
        yield* TestClock.adjust("1 second")
        const before = yield* read("frames_sent_total")
        const question: Delivery = { _tag: "Message", target, methargs: { body: "", slots: [] }, result: "p-1" }
        const receipt = yield* handle.deliver(question)
        yield* receipt.acknowledged
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* read("frames_sent_total")) - before, frames)
      }
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("counts what happens, over all links, and takes back what is over", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const before = yield* readAll
      const since = Effect.map(readAll, (now): Record<string, number> =>
        Object.fromEntries(names.map((name) => [name, (now[name] ?? 0) - (before[name] ?? 0)]))
      )
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob")
      const handle = yield* connect(alice, bob)
      const open = yield* since
      assert.deepInclude(open, { connections: 2, dials_total: 1, handshakes_total: 2, reconnects_total: 0 })
      assert.deepInclude(open, { failures_total: 0, resets_total: 0, inbox_bytes: 0, round_trip_milliseconds: 1 })
      // The message, and its ACK.
      assert.deepInclude(open, { frames_sent_total: 2, frames_received_total: 2 })
      assert.strictEqual(open["bytes_sent_total"], (open["bytes_received_total"] ?? 0) + 2)
      yield* network.reset(alice.peerId, bob.peerId)
      yield* handle.deliver(message("again"))
      yield* TestClock.adjust("10 seconds")
      const again = yield* since
      assert.deepInclude(again, { connections: 2, handshakes_total: 4, reconnects_total: 2, resets_total: 2 })
      // Two losses; and bob, who knows no address of alice, may have tried as well.
      assert.isAtLeast(again["failures_total"] ?? 0, 2)
      yield* network.silence("all", "all")
      assert.deepInclude(yield* since, { pending_messages: 0, pending_bytes: 0 })
      yield* handle.deliver(message("into the dark"))
      const waiting = yield* since
      assert.strictEqual(waiting["pending_messages"], 1)
      assert.isAbove(waiting["pending_bytes"] ?? 0, "into the dark".length)
      yield* TestClock.adjust("1599 millis")
      assert.strictEqual((yield* since)["probes_total"], 3)
      yield* alice.stop
      yield* bob.stop
      assert.deepInclude(yield* since, { connections: 0, inbox_bytes: 0, pending_messages: 0, pending_bytes: 0 })
    }).pipe(Effect.provide(layerNetwork))
  )

  it("says who ended a stream, and why", () => {
    const table: ReadonlyArray<readonly [ChannelEnd, string]> = [
      [{ by: "local", error: undefined }, "stream closed locally"],
      [{ by: "local", error: new Error("write timeout") }, "stream closed locally: write timeout"],
      [{ by: "remote", clean: false, error: new Error("ECONNRESET") }, "stream reset by remote: ECONNRESET"],
      [{ by: "remote", clean: false, error: undefined }, "stream reset by remote: the connection is gone"],
      [{ by: "remote", clean: true, error: undefined }, "stream closed by remote (clean)"]
    ]
    for (const [end, text] of table) assert.strictEqual(describeEnd(end), text)
  })

  it.scoped("writes one line for each channel's end, and no message's body into any", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const lines: Array<{ readonly text: string; readonly level: string }> = []
      const logger = Logger.make(({ annotations, cause, logLevel, message }) => {
        const text = [String(message), ...HashMap.toEntries(annotations).map(String), JSON.stringify(cause)].join(" ")
        lines.push({ text, level: logLevel.label })
      })
      yield* Effect.gen(function* () {
        const alice = yield* startKernel("alice")
        const bob = yield* startKernel("bob")
        const handle = yield* connect(alice, bob)
        yield* network.reset(alice.peerId, bob.peerId)
        const receipt = yield* handle.deliver(message("a secret"))
        yield* TestClock.adjust("10 seconds")
        yield* receipt.acknowledged
        yield* alice.transport.closeConnection(bob.peerId)
        yield* TestClock.adjust("1 millis")
        // Without an address, which would be news, and a reason to dial before alice has stopped.
        yield* bob.remotes.get(alice.peerId)
        yield* alice.stop
        yield* bob.stop
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)), Logger.withMinimumLogLevel(LogLevel.Debug))
      const ends = lines.filter(({ text }) => text.startsWith("stream "))
      const count = (start: string) => ends.filter(({ text }) => text.startsWith(start)).length
      assert.strictEqual(count("stream reset by remote"), 2)
      assert.strictEqual(count("stream closed locally"), 1)
      assert.strictEqual(count("stream closed by remote (clean)"), 1)
      assert.strictEqual(ends.length, 4)
      assert.isFalse(lines.some(({ text }) => text.includes("a secret")))
    }).pipe(Effect.provide(layerNetwork))
  )
})

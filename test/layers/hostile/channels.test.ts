/** What a stranger may do to a kernel on one channel, beside an honest peer. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import {
  assertOnlyHonestRecords,
  enter,
  encoder,
  failures,
  flood,
  framed,
  hello,
  honestBeside,
  json,
  knock,
  startPair,
  write
} from "../../support/attacker.ts"
import type { BasePeer, Line } from "../../support/basePeer.ts"
import { handshake, handshakeAck, ids, startBasePeer } from "../../support/basePeer.ts"
import type { Kernel } from "../../support/kernel.ts"
import { bodiesOf } from "../../support/kernel.ts"

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
const message = (seq: unknown) => ({ seq, method: "deliver", params: ["bringOutYourDead"] })
const reply = { method: "deliver", params: ["message", "ro-1", { methargs: { body: "", slots: [] }, result: "rp+1" }] }

/** The hello of one that says how much it has room for. */
const limitedHello = {
  method: "handshake",
  params: {
    incarnationId: "evil",
    extensions: { ...hello("evil").params.extensions, limits: { frame: 1000, messages: 10, bytes: 4000 } }
  }
}

interface Violation {
  readonly name: string
  readonly bytes: Uint8Array
  readonly greeting?: unknown
}

/** What is written once the handshake is done; each of these costs the writer its channel. */
const violations: ReadonlyArray<Violation> = [
  { name: "a sequence number that jumps ahead", bytes: json(message(7)) },
  { name: "a sequence number of 0", bytes: json(message(0)) },
  { name: "a negative sequence number", bytes: json(message(-1)) },
  { name: "a fractional sequence number", bytes: json(message(1.5)) },
  { name: "a sequence number that is text", bytes: json(message("1")) },
  { name: "a sequence number that is NaN, which JSON writes as null", bytes: json(message(Number.NaN)) },
  { name: "a sequence number written NaN", bytes: framed('{"seq":NaN,"method":"deliver","params":[]}') },
  { name: "the sequence number 2^53", bytes: framed('{"seq":9007199254740992,"method":"deliver","params":[]}') },
  { name: "a sequence number of 1e400", bytes: framed('{"seq":1e400,"method":"deliver","params":[]}') },
  { name: "an ACK of what was never sent", bytes: json({ ack: 12 }) },
  { name: "an ACK on a message, of what was never sent", bytes: json({ seq: 1, ack: 12, ...reply }) },
  { name: "an ACK of 2^53 - 1", bytes: json({ ack: Number.MAX_SAFE_INTEGER }) },
  { name: "a negative ACK", bytes: json({ ack: -1 }) },
  { name: "a fractional ACK", bytes: json({ ack: 0.5 }) },
  { name: "an ACK that is a list", bytes: json({ ack: [1] }) },
  { name: "a length bomb", bytes: bytes(0xff, 0xff, 0xff, 0xff, 0x0f) },
  { name: "a length one above the limit", bytes: bytes(0x81, 0x80, 0x40) },
  { name: "an endless length prefix", bytes: new Uint8Array(64).fill(0x80) },
  { name: "a length prefix that is longer than it needs to be", bytes: bytes(0x81, 0x80, 0x00) },
  { name: "an empty frame", bytes: bytes(0) },
  { name: "100,000 empty frames", bytes: new Uint8Array(100_000) },
  { name: "invalid UTF-8", bytes: framed(bytes(0x22, 0xc3, 0x28, 0x22)) },
  { name: "JSON that is no object", bytes: framed("[1]") },
  { name: "JSON a million brackets deep", bytes: framed("[".repeat(1_000_000)) },
  { name: "JSON half a million lists deep, closed", bytes: framed("[".repeat(500_000) + "]".repeat(500_000)) },
  { name: "JSON with 300,000 members", bytes: framed(`[${"{},".repeat(300_000)}{}]`) },
  { name: "an object that is nothing but a prototype", bytes: framed('{"__proto__":{"seq":1,"method":"deliver"}}') },
  { name: "a number and an ACK in the prototype only", bytes: framed('{"__proto__":{"ack":1},"constructor":1}') },
  { name: "a first message that makes no sense", bytes: json({ seq: 1, method: "constructor", params: [] }) },
  { name: "a message without parameters", bytes: json({ seq: 1, method: "deliver" }) },
  {
    name: "credit for more than it announced",
    greeting: limitedHello,
    bytes: json({ credit: { messages: 11, bytes: 4001 } })
  },
  { name: "negative credit", greeting: limitedHello, bytes: json({ credit: { messages: -1, bytes: 0 } }) },
  { name: "credit of 2^53", greeting: limitedHello, bytes: json({ credit: { messages: 2 ** 53, bytes: 0 } }) }
]

const scene = <E, R>(
  act: (attacker: BasePeer, alice: Kernel) => Effect.Effect<unknown, E, R>,
  options: Parameters<typeof startPair>[0] = {},
  isFlood = false
) =>
  Effect.gen(function* () {
    const { alice, bob } = yield* startPair(options)
    const attacker = yield* startBasePeer(ids.low)
    // Most of these say a megabyte at most, once.
    yield* honestBeside(alice, bob, act(attacker, alice), isFlood)
    yield* assertOnlyHonestRecords(alice, bob)
    return { alice, bob, attacker }
  })

describe("A stranger on a channel: its channel ends, and nothing else does, for", () => {
  for (const { bytes, greeting, name } of violations) {
    it.scoped(name, () =>
      Effect.gen(function* () {
        const before = yield* failures("ProtocolViolationError")
        const lines: Array<Line> = []
        const { alice } = yield* scene((attacker, alice) =>
          Effect.gen(function* () {
            const line = yield* enter(attacker, alice, greeting)
            lines.push(line)
            yield* write(line, bytes)
          })
        )
        assert.deepStrictEqual(
          lines.map(({ channel }) => channel.status()),
          ["reset"]
        )
        assert.strictEqual((yield* failures("ProtocolViolationError")) - before, 1)
        assert.isTrue(bodiesOf(alice).every((body) => body.startsWith("h")))
      }).pipe(Effect.provide(layerNetwork))
    )
  }
})

/** What is written instead of a hello, or after one that is not as it should be. */
const greetings: ReadonlyArray<{ readonly name: string; readonly bytes: Uint8Array }> = [
  { name: "messages before any handshake", bytes: json(message(1)) },
  { name: "an answer where a hello is due", bytes: json(handshakeAck("evil")) },
  { name: "a confirmation where a hello is due", bytes: json({ method: "handshakeConfirm", params: { epoch: 0 } }) },
  { name: "a hello of more than 4 KiB", bytes: json({ ...hello("evil"), more: "x".repeat(4096) }) },
  { name: "a hello of the largest frame", bytes: framed("x".repeat(1_048_576)) },
  { name: "a hello without an incarnation", bytes: json({ method: "handshake", params: {} }) },
  { name: "an incarnation of 129 characters", bytes: json(handshake("x".repeat(129))) },
  { name: "an incarnation that is a number", bytes: json(hello(1)) },
  { name: "an incarnation in the prototype only", bytes: framed('{"method":"handshake","__proto__":{"params":{}}}') },
  { name: "a claim to have received -1", bytes: json(hello("evil", { session: { received: -1 } })) },
  { name: "a claim to be in session 2^53", bytes: json(hello("evil", { session: { epoch: 2 ** 53 } })) },
  { name: "a claim of numbers that contradict each other", bytes: json(hello("evil", { session: { sent: 5 } })) },
  { name: "a process name of 129 characters", bytes: json(hello("evil", { channel: { process: "x".repeat(129) } })) },
  { name: "garbage where a hello is due", bytes: encoder.encode(`GET / HTTP/1.1\r\nHost: ${"x".repeat(80)}\r\n\r\n`) }
]

describe("A stranger at the door gets no channel, and nobody else loses one, for", () => {
  for (const { bytes, name } of greetings) {
    it.scoped(name, () =>
      Effect.gen(function* () {
        const lines: Array<Line> = []
        const before = yield* failures("ProtocolViolationError")
        const { alice, bob } = yield* scene((attacker, alice) =>
          Effect.gen(function* () {
            const line = yield* knock(attacker, alice)
            lines.push(line)
            yield* write(line, bytes)
          })
        )
        assert.deepStrictEqual(
          lines.map(({ channel }) => channel.status()),
          ["reset"]
        )
        assert.deepStrictEqual(
          (yield* alice.transport.peers).map(({ peerId }) => peerId),
          [bob.peerId]
        )
        assert.strictEqual((yield* failures("ProtocolViolationError")) - before, 1)
      }).pipe(Effect.provide(layerNetwork))
    )
  }
})

describe("A stranger that takes its time", () => {
  it.scoped("a hello of a byte a second ends at the deadline of the handshake", () =>
    Effect.gen(function* () {
      const lines: Array<Line> = []
      const before = yield* failures("HandshakeTimeoutError")
      const bytes = json(hello("evil"))
      yield* scene((attacker, alice) =>
        Effect.gen(function* () {
          const line = yield* knock(attacker, alice)
          lines.push(line)
          for (const byte of bytes) {
            yield* write(line, Uint8Array.of(byte))
            yield* Effect.sleep("1 second")
          }
        })
      )
      assert.strictEqual(lines[0]?.channel.status(), "open")
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(lines[0]?.channel.status(), "reset")
      assert.strictEqual((yield* failures("HandshakeTimeoutError")) - before, 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a frame that never ends, a byte a second, ends at the inactivity limit only if it stops", () =>
    Effect.gen(function* () {
      const lines: Array<Line> = []
      yield* scene((attacker, alice) =>
        Effect.gen(function* () {
          const line = yield* enter(attacker, alice)
          lines.push(line)
          yield* write(line, bytes(0x80, 0x80, 0x40))
          yield* Effect.forever(Effect.zipRight(write(line, bytes(0x20)), Effect.sleep("1 second")))
        })
      )
      yield* TestClock.adjust("3 minutes")
      // Bytes of a frame that is not whole are nothing that was heard.
      assert.strictEqual(lines[0]?.channel.status(), "reset")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a stranger that says hello and nothing more leaves nothing behind", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* scene((attacker, alice) => Effect.zipRight(enter(attacker, alice), Effect.never))
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(
        (yield* alice.transport.peers).map(({ peerId }) => peerId),
        [bob.peerId]
      )
    }).pipe(Effect.provide(layerNetwork))
  )
})

describe("A stranger that repeats itself", () => {
  it.scoped("hellos in the middle of a conversation are ignored", () =>
    Effect.gen(function* () {
      const lines: Array<Line> = []
      yield* scene((attacker, alice) =>
        Effect.gen(function* () {
          const line = yield* enter(attacker, alice)
          lines.push(line)
          yield* write(line, json(hello("other"), handshakeAck("third"), handshake("fourth")))
        })
      )
      assert.strictEqual(lines[0]?.channel.status(), "open")
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a hello of an older dial, said again, does not take the place of the channel in use", () =>
    Effect.gen(function* () {
      const lines: Array<Line> = []
      yield* scene((attacker, alice) =>
        Effect.gen(function* () {
          lines.push(yield* enter(attacker, alice, hello("evil", { channel: { dial: 2 } })))
          const replayed = yield* knock(attacker, alice)
          lines.push(replayed)
          yield* write(replayed, json(hello("evil", { channel: { dial: 1 } })))
        })
      )
      assert.deepStrictEqual(
        lines.map(({ channel }) => channel.status()),
        ["open", "reset"]
      )
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a flood of probes holds up nobody, and is paced", () =>
    Effect.gen(function* () {
      const probes = framed(...Array<string>(1000).fill('{"probe":1}'))
      yield* scene(
        (attacker, alice) =>
          Effect.gen(function* () {
            const line = yield* enter(attacker, alice)
            yield* Effect.forkScoped(Effect.ignore(Effect.forever(line.channel.receive)))
            yield* flood(line, probes)
          }),
        { config: { maxInboundMessagesPerSecond: 2000 } },
        true
      )
    }).pipe(Effect.provide(layerNetwork))
  )
})

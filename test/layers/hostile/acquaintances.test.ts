/** What a peer may do that has a record: it was sensible once, and is hostile now. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { layer as layerNetwork, Network } from "../../../src/testing/Network.ts"
import {
  chatter,
  knock,
  enter,
  failures,
  flood,
  framed,
  hello,
  honestBeside,
  json,
  mostHeld,
  resets,
  startPair,
  write
} from "../../support/attacker.ts"
import { ids, startBasePeer } from "../../support/basePeer.ts"
import type { Kernel } from "../../support/kernel.ts"
import { addressOf, message } from "../../support/kernel.ts"
import { stateOf } from "../../support/link.ts"

const reap = (seq: number) => ({ seq, method: "deliver", params: ["bringOutYourDead"] })
const numbered = (from: number, count: number, make: (seq: number) => unknown) =>
  Array.from({ length: count }, (_, index) => make(from + index))

const scene = Effect.fnUntraced(function* (options: Parameters<typeof startPair>[0] = {}) {
  const { alice, bob } = yield* startPair(options)
  const mallory = yield* startBasePeer(ids.low)
  const line = yield* enter(mallory, alice)
  yield* write(line, json(reap(1)))
  yield* TestClock.adjust("1 millis")
  return { alice, bob, mallory, line }
})

const pendingFor = (kernel: Kernel, peer: { readonly peerId: Kernel["peerId"] }) =>
  kernel.store.countPending(peer.peerId)
const letters = (kernel: Kernel) => kernel.store.listDeadLetters({ afterId: 0, limit: 1000 })

describe("A hostile acquaintance", () => {
  it.scoped("that redeems and never acknowledges leaves a bounded number of answers", () =>
    Effect.gen(function* () {
      const { alice, bob, line, mallory } = yield* scene({ config: { maxPendingMessages: 100, reservedMessages: 0 } })
      yield* honestBeside(
        alice,
        bob,
        write(line, json(...numbered(2, 2000, (seq) => ({ seq, method: "redeemURL", params: ["ocap:x", `${seq}`] }))))
      )
      assert.strictEqual((yield* pendingFor(alice, mallory)).messages, 200)
      // They are taken all the same: whoever asks so much may wait for its deadline.
      assert.strictEqual((yield* alice.store.listRemotes).find((it) => it.peerId === mallory.peerId)?.receivedSeq, 2001)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that asks with reply keys of a megabyte gets none of them back", () =>
    Effect.gen(function* () {
      const { alice, bob, line, mallory } = yield* scene()
      const key = "k".repeat(1_000_000)
      yield* honestBeside(
        alice,
        bob,
        write(line, json(...numbered(2, 10, (seq) => ({ seq, method: "redeemURL", params: ["ocap:x", key] }))))
      )
      assert.isBelow((yield* pendingFor(alice, mallory)).bytes, 10_000)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that sends nonsense and never acknowledges the refusals is held, not served for ever", () =>
    Effect.gen(function* () {
      const { alice, bob, line, mallory } = yield* scene({ config: { maxPendingMessages: 100, reservedMessages: 0 } })
      yield* honestBeside(
        alice,
        bob,
        write(line, json(...numbered(2, 2000, (seq) => ({ seq, method: "nonsense", params: [] }))))
      )
      assert.strictEqual((yield* pendingFor(alice, mallory)).messages, 400)
      const status = (yield* alice.remotes.list).find(({ peerId }) => peerId === mallory.peerId)
      assert.isTrue(status?.held)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("goes on where it was held, once it acknowledges", () =>
    Effect.gen(function* () {
      const { alice, bob, line, mallory } = yield* scene({ config: { maxPendingMessages: 100, reservedMessages: 0 } })
      yield* honestBeside(
        alice,
        bob,
        write(line, json(...numbered(2, 500, (seq) => ({ seq, method: "nonsense", params: [] }))))
      )
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* pendingFor(alice, mallory)).messages, 400)
      yield* write(line, json({ ack: 400 }))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* pendingFor(alice, mallory)).messages, 100)
      assert.strictEqual((yield* alice.store.listRemotes).find((it) => it.peerId === mallory.peerId)?.receivedSeq, 501)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that refuses the same message again and again leaves one dead letter of it", () =>
    Effect.gen(function* () {
      const { alice, bob, line, mallory } = yield* scene()
      const handle = yield* alice.remotes.get(mallory.peerId)
      yield* handle.deliver(message("refuse me"))
      yield* handle.deliver(message("and me"))
      yield* TestClock.adjust("1 millis")
      yield* honestBeside(
        alice,
        bob,
        write(
          line,
          json(...numbered(2, 100, (seq) => ({ seq, method: "rejected", params: [1 + (seq % 2), "No", "x"] })))
        )
      )
      assert.deepStrictEqual(
        (yield* letters(alice)).map(({ reason, seq }) => [reason, seq]),
        [
          ["RejectedByPeer", 1],
          ["RejectedByPeer", 2]
        ]
      )
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that refuses what was never sent leaves no dead letter", () =>
    Effect.gen(function* () {
      const { alice, bob, line } = yield* scene()
      yield* honestBeside(
        alice,
        bob,
        write(line, json(...numbered(2, 100, (seq) => ({ seq, method: "rejected", params: [seq, "No", "x"] }))))
      )
      assert.deepStrictEqual(yield* letters(alice), [])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that answers questions nobody asked changes nothing", () =>
    Effect.gen(function* () {
      const { alice, bob, line, mallory } = yield* scene()
      yield* honestBeside(
        alice,
        bob,
        write(
          line,
          json(...numbered(2, 500, (seq) => ({ seq, method: "redeemURLReply", params: [true, `${seq}`, "ro+1"] })))
        )
      )
      assert.deepStrictEqual(yield* alice.store.listRedemptions(mallory.peerId), [])
      assert.strictEqual((yield* pendingFor(alice, mallory)).messages, 0)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that neither reads nor speaks loses its channel to the probes", () =>
    Effect.gen(function* () {
      const { alice, bob, mallory } = yield* scene()
      const before = yield* failures("ProbeTimeoutError")
      const handle = yield* alice.remotes.get(mallory.peerId)
      yield* honestBeside(alice, bob, handle.deliver(message("x".repeat(500_000))))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* failures("ProbeTimeoutError")) - before, 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped(
    "that speaks and never reads loses its channel to the deadline of a write, and fills no more than its share",
    () =>
      Effect.gen(function* () {
        const { alice, bob, line, mallory } = yield* scene({
          config: { overflow: "fail", maxPendingBytes: mostHeld / 4 }
        })
        const before = yield* failures("WriteTimeoutError")
        const handle = yield* alice.remotes.get(mallory.peerId)
        const body = "x".repeat(500_000)
        yield* Effect.forkScoped(chatter(line))
        yield* honestBeside(alice, bob, Effect.ignore(Effect.forever(handle.deliver(message(body)))))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual((yield* failures("WriteTimeoutError")) - before, 1)
        assert.isAtMost((yield* pendingFor(alice, mallory)).bytes, mostHeld / 4 + 1_048_576)
      }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that speaks and reads a byte a second loses its channel to the deadline of a write", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { alice, bob, line, mallory } = yield* scene()
      const before = yield* failures("WriteTimeoutError")
      const handle = yield* alice.remotes.get(mallory.peerId)
      yield* network.delay(alice.peerId, mallory.peerId, { latency: 0, bytesPerSecond: 1 })
      yield* Effect.forkScoped(chatter(line))
      yield* Effect.forkScoped(Effect.ignore(Effect.forever(line.channel.receive)))
      const body = message("x".repeat(500_000))
      yield* honestBeside(alice, bob, Effect.replicateEffect(handle.deliver(body), 4))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* failures("WriteTimeoutError")) - before, 1)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that floods what it may say is paced, and what it says is held within the bounds", () =>
    Effect.gen(function* () {
      const { alice, bob, line } = yield* scene({ config: { maxInboundMessagesPerSecond: 1000 } })
      const before = yield* failures("ProtocolViolationError")
      yield* honestBeside(alice, bob, flood(line, framed(...Array<string>(100).fill('{"seq":1,"method":"deliver"}'))))
      assert.strictEqual(yield* failures("ProtocolViolationError"), before)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("whose goodbye is always a reset is dialed again all the same", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { alice, bob, line, mallory } = yield* scene()
      const handle = yield* alice.remotes.get(mallory.peerId, { hints: [addressOf(mallory.peerId)] })
      const goodbye = Effect.flatMap(mallory.accept, ({ channel }) => channel.abort(new Error("goodbye")))
      yield* Effect.forkScoped(Effect.forever(Effect.scoped(goodbye)))
      const before = yield* resets
      yield* line.channel.abort(new Error("goodbye"))
      yield* honestBeside(alice, bob, handle.deliver(message("do not go")))
      yield* TestClock.adjust("10 seconds")
      assert.isAtLeast((yield* resets) - before, 1)
      assert.isAtLeast(yield* network.dials(alice.peerId, mallory.peerId), 3)
      assert.strictEqual((yield* stateOf(alice, mallory))._tag, "BackingOff")
    }).pipe(Effect.provide(layerNetwork))
  )

  /** The hello of one that has the victim on record and is far ahead of it: whoever believes it begins a new session. */
  const claim = (alice: Kernel, epoch: number) =>
    Effect.map(Effect.orDie(Effect.flatten(alice.store.loadIdentity)), ({ incarnationId }) =>
      json(
        hello("evil", {
          session: { with: incarnationId, epoch, received: 1, sent: 1, acknowledged: 1, base: 2, next: 2 },
          channel: { process: `p${epoch}` }
        }),
        { method: "handshakeConfirm", params: { epoch: epoch + 1 } }
      )
    )

  it.scoped("that claims one session after another ends conversations only so often", () =>
    Effect.gen(function* () {
      const { alice, bob, mallory } = yield* scene({ config: { maxIncarnationChangesPerMinute: 3 } })
      const before = yield* failures("ResourceLimitError")
      yield* honestBeside(
        alice,
        bob,
        Effect.forEach([10, 20, 30, 40, 50, 60], (epoch) =>
          Effect.scoped(
            Effect.gen(function* () {
              yield* write(yield* knock(mallory, alice), yield* claim(alice, epoch))
              yield* Effect.sleep("50 millis")
            })
          )
        )
      )
      assert.strictEqual(alice.forgotten.length, 3)
      assert.strictEqual((yield* failures("ResourceLimitError")) - before, 3)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("that claims the last session there can be leaves a record that can be read back", () =>
    Effect.gen(function* () {
      const { alice, bob, mallory } = yield* scene()
      yield* honestBeside(
        alice,
        bob,
        Effect.forEach([2 ** 52, Number.MAX_SAFE_INTEGER], (epoch) =>
          Effect.gen(function* () {
            yield* write(yield* knock(mallory, alice), yield* claim(alice, epoch))
            yield* Effect.sleep("10 millis")
          })
        )
      )
      const records = yield* alice.store.listRemotes
      assert.deepStrictEqual(
        records.map(({ epoch }) => epoch).sort((a, b) => a - b),
        [0, 2 ** 52 + 1]
      )
    }).pipe(Effect.provide(layerNetwork))
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as RemoteStoreMemory from "../../src/layers/RemoteStoreMemory.ts"
import type { RemoteHandleService } from "../../src/services/RemoteHandle.ts"
import { message, numbered, sendAll } from "../support/kernel.ts"
import type { LiveKernel } from "../support/liveKernel.ts"
import { startLiveKernel } from "../support/liveKernel.ts"
import type { OcapKernel, Outgoing } from "../support/ocapKernel.ts"
import { startOcapKernel } from "../support/ocapKernel.ts"
import { eventually } from "../support/eventually.ts"

/** Its deadline in the tests that wait for it; ours are as they are by default where a test says nothing. */
const soon = "300 millis"

const ocapMessage = (body: string): Outgoing => ({
  method: "deliver",
  params: ["message", "ro-1", { methargs: { body, slots: [] }, result: "rp+1" }]
})

const bodyOf = (params: ReadonlyArray<unknown>): unknown => {
  const [kind, , call] = params
  return kind === "message" ? Reflect.get(Reflect.get(Object(call), "methargs"), "body") : kind
}

const bodiesOf = (ocap: OcapKernel): ReadonlyArray<unknown> => ocap.taken.map(({ params }) => bodyOf(params))

const numbersOf = (ocap: OcapKernel) => ocap.taken.map(({ seq }) => seq)

const handleFor = (kernel: LiveKernel, ocap: OcapKernel) => kernel.remotes.get(ocap.peerId, { hints: ocap.addresses })

const acknowledgeAll = (handle: RemoteHandleService, bodies: ReadonlyArray<string>) =>
  Effect.flatMap(sendAll(handle, bodies), (receipts) =>
    Effect.forEach(receipts, ({ acknowledged }) => acknowledged, { discard: true })
  )

/** Has it open streams until it knows of our new life; one may be refused, because we dial at the same time. */
const untilReset = (ocap: OcapKernel, times = 1) =>
  Effect.repeat(ocap.open, { until: () => ocap.resets() >= times, schedule: Schedule.spaced("50 millis") }).pipe(
    Effect.timeout("15 seconds")
  )

const hasBodies = (kernel: LiveKernel, count: number) => eventually(() => kernel.bodies.length >= count)

/** Nothing that an ocap-kernel does not understand was said to it, and it has one stream at most. */
const assertUnderstood = (ocap: OcapKernel) => assert.deepStrictEqual(ocap.errors, [])

describe("with an ocap-kernel on libp2p: first contact", () => {
  it.live("twenty messages of ours all arrive once, in order, over one stream", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel()
      const kernel = yield* startLiveKernel()
      const handle = yield* handleFor(kernel, ocap)
      const receipts = yield* Effect.all(
        numbered(1, 20).map((body) => handle.deliver(message(body))),
        { concurrency: "unbounded" }
      )
      yield* Effect.forEach(receipts, ({ acknowledged }) => acknowledged)
      assert.deepStrictEqual<ReadonlyArray<unknown>>(bodiesOf(ocap), numbered(1, 20))
      assert.deepStrictEqual([...new Set(ocap.heard.map(({ line }) => line))], [1])
      assertUnderstood(ocap)
    }).pipe(Effect.scoped)
  )

  it.live("twenty messages of its all arrive once, in order, although only the last goes out at first", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel({ ackTimeout: soon })
      const kernel = yield* startLiveKernel()
      ocap.meet(kernel.address)
      yield* ocap.send(...numbered(1, 20).map(ocapMessage))
      yield* hasBodies(kernel, 20)
      yield* ocap.until(() => ocap.pending() === 0)
      assert.deepStrictEqual(kernel.bodies, numbered(1, 20))
      assert.strictEqual(ocap.resends(), 1)
      const [status] = yield* kernel.remotes.list
      assert.strictEqual(status?.lostByPeer, 0)
      assertUnderstood(ocap)
    }).pipe(Effect.scoped)
  )

  for (const [seed, which] of [
    ["a1", "ours is the higher peer id"],
    ["00", "ours is the lower peer id"]
  ] as const) {
    it.live(`both sides at once: all arrives once, in order (${which})`, () =>
      Effect.gen(function* () {
        const ocap = yield* startOcapKernel({ ackTimeout: soon })
        const kernel = yield* startLiveKernel({ seed })
        ocap.meet(kernel.address)
        const handle = yield* handleFor(kernel, ocap)
        const [, receipts] = yield* Effect.all(
          [ocap.send(...numbered(1, 20).map(ocapMessage)), sendAll(handle, numbered(101, 120))],
          { concurrency: "unbounded" }
        )
        yield* Effect.forEach(receipts, ({ acknowledged }) => acknowledged)
        yield* hasBodies(kernel, 20)
        yield* ocap.until(() => ocap.pending() === 0)
        assert.deepStrictEqual(kernel.bodies, numbered(1, 20))
        assert.deepStrictEqual<ReadonlyArray<unknown>>(bodiesOf(ocap), numbered(101, 120))
        assertUnderstood(ocap)
      }).pipe(Effect.scoped)
    )
  }
})

describe("with an ocap-kernel on libp2p: an open stream", () => {
  it.live("a stream that it opens carries both directions, further handshakes and all", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel()
      const kernel = yield* startLiveKernel()
      ocap.meet(kernel.address)
      yield* ocap.send(ocapMessage("1"))
      yield* ocap.say({ method: "handshake", params: { incarnationId: "ocap-1" } })
      yield* ocap.send(ocapMessage("2"))
      yield* ocap.say({ method: "handshake", params: { incarnationId: "ocap-1" } })
      yield* ocap.say({ method: "handshakeAck", params: { incarnationId: "ocap-1" } })
      yield* acknowledgeAll(yield* kernel.remotes.get(ocap.peerId), ["a", "b"])
      yield* ocap.until(() => ocap.pending() === 0)
      assert.deepStrictEqual(kernel.bodies, ["1", "2"])
      assert.deepStrictEqual(bodiesOf(ocap), ["a", "b"])
      assertUnderstood(ocap)
    }).pipe(Effect.scoped)
  )

  it.live("six streams in a row: the newest is used, and nothing is lost on the way to it", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel({ ackTimeout: soon })
      const kernel = yield* startLiveKernel()
      ocap.meet(kernel.address)
      yield* ocap.send(ocapMessage("1"))
      yield* Effect.all(
        Array.from({ length: 6 }, () => ocap.open),
        { concurrency: "unbounded" }
      )
      yield* ocap.send(ocapMessage("2"), ocapMessage("3"))
      yield* acknowledgeAll(yield* kernel.remotes.get(ocap.peerId), ["a", "b"])
      yield* hasBodies(kernel, 3)
      yield* ocap.until(() => ocap.pending() === 0)
      assert.deepStrictEqual(kernel.bodies, ["1", "2", "3"])
      assert.deepStrictEqual(bodiesOf(ocap), ["a", "b"])
      assertUnderstood(ocap)
    }).pipe(Effect.scoped)
  )

  it.live("what its parallel sends write out of turn is taken in turn, without a resend", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel()
      const kernel = yield* startLiveKernel()
      ocap.meet(kernel.address)
      yield* ocap.send(ocapMessage("1"))
      yield* ocap.sendOutOfTurn(...numbered(2, 50).map(ocapMessage))
      yield* ocap.until(() => ocap.pending() === 0)
      assert.deepStrictEqual(kernel.bodies, numbered(1, 50))
      assert.strictEqual(ocap.resends(), 0)
    }).pipe(Effect.scoped)
  )

  it.live("its resends of everything pending, with the ACKs of old, change nothing", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel({ ackTimeout: "100 millis" })
      const kernel = yield* startLiveKernel({ config: { ackDelay: "700 millis" } })
      ocap.meet(kernel.address)
      const handle = yield* handleFor(kernel, ocap)
      yield* acknowledgeAll(handle, ["a"])
      yield* ocap.send(...numbered(1, 10).map(ocapMessage))
      // Its messages say that it has our first one, and say so again when it has our third.
      ocap.deafen(true)
      const sending = yield* Effect.fork(acknowledgeAll(handle, ["b", "c"]))
      yield* ocap.until(() => ocap.resends() >= 2)
      ocap.deafen(false)
      yield* Effect.fork(acknowledgeAll(handle, ["d"]))
      yield* ocap.until(() => ocap.pending() === 0)
      assert.deepStrictEqual(kernel.bodies, numbered(1, 10))
      assert.strictEqual((yield* handle.status).receivedSeq, 10)
      yield* Fiber.interrupt(sending)
      assertUnderstood(ocap)
    }).pipe(Effect.scoped)
  )

  it.live("a message that its handler failed on is sent again until it takes it", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel({ failures: 2 })
      const kernel = yield* startLiveKernel({ config: { ackTimeout: soon } })
      const handle = yield* handleFor(kernel, ocap)
      yield* acknowledgeAll(handle, ["1"])
      yield* acknowledgeAll(handle, ["2"])
      assert.deepStrictEqual(bodiesOf(ocap), ["1", "2"])
      assert.deepStrictEqual(numbersOf(ocap), [1, 2])
      assert.strictEqual((yield* handle.status).resent, 2)
    }).pipe(Effect.scoped)
  )

  it.live("a message of its without a result is refused, on record, and those behind it go on", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel()
      const kernel = yield* startLiveKernel()
      ocap.meet(kernel.address)
      const methargs = { body: "2", slots: [] }
      yield* ocap.send(ocapMessage("1"))
      yield* ocap.send({ method: "deliver", params: ["message", "ro-1", { methargs }] }, ocapMessage("3"))
      yield* ocap.until(() => ocap.pending() === 0)
      assert.deepStrictEqual(kernel.bodies, ["1", "3"])
      const letters = yield* kernel.store.listDeadLetters({ afterId: 0, limit: 10 })
      assert.deepStrictEqual(
        letters.map(({ reason, seq }) => `${seq} ${reason}`),
        ["2 Malformed"]
      )
      assertUnderstood(ocap)
    }).pipe(Effect.scoped)
  )

  it.live("redeems its URLs, good and bad", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel()
      const kernel = yield* startLiveKernel()
      yield* handleFor(kernel, ocap)
      assert.strictEqual(yield* kernel.remotes.redeemOcapUrl(`ocap:zGood@${ocap.peerId}`), "ro+1")
      const refused = yield* Effect.flip(kernel.remotes.redeemOcapUrl(`ocap:zBad@${ocap.peerId}`))
      assert.strictEqual(refused._tag, "RedemptionRefusedError")
      assertUnderstood(ocap)
    }).pipe(Effect.scoped)
  )

  it.live("the stand-in itself refuses a message without a result, and does not acknowledge it", () =>
    Effect.gen(function* () {
      const one = yield* startOcapKernel({ ackTimeout: "50 millis" })
      const other = yield* startOcapKernel({ seed: 8 })
      one.meet(other.addresses[0] ?? "")
      yield* one.send({ method: "deliver", params: ["message", "ro-1", { methargs: { body: "", slots: [] } }] })
      yield* one.until(() => one.abandoned.length > 0)
      assert.deepStrictEqual(other.taken, [])
      assert.deepStrictEqual(
        other.errors,
        Array.from({ length: 4 }, () => "a message without a result")
      )
      assert.isFalse(one.heard.some(({ frame }) => "ack" in frame))
    }).pipe(Effect.scoped)
  )
})

describe("with an ocap-kernel on libp2p: what it gives up", () => {
  it.live("is on record as lost, once, and what comes after it is delivered", () =>
    Effect.gen(function* () {
      const ocap = yield* startOcapKernel({ ackTimeout: "40 millis" })
      const kernel = yield* startLiveKernel({ config: { gapTimeout: "500 millis" } })
      // Nobody is there: three resends, and then it forgets them.
      yield* ocap.send(...numbered(1, 3).map(ocapMessage))
      yield* ocap.until(() => ocap.abandoned.length === 3)
      ocap.meet(kernel.address)
      yield* ocap.send(ocapMessage("4"), ocapMessage("5"))
      yield* hasBodies(kernel, 2)
      assert.deepStrictEqual(kernel.bodies, ["4", "5"])
      const [status] = yield* kernel.remotes.list
      assert.strictEqual(status?.lostByPeer, 3)
      const letters = yield* kernel.store.listDeadLetters({ afterId: 0, limit: 10 })
      assert.deepStrictEqual(
        letters.map(({ detail, direction, reason, seq }) => ({ detail, direction, reason, seq })),
        [{ detail: "messages 1 to 3 never came", direction: "inbound", reason: "LostByPeer", seq: 1 }]
      )
    }).pipe(Effect.scoped)
  )
})

/** Talk in both directions, and then messages in both that the other has taken without its ACK being heard, or not at all. */
const leavePending = (kernel: LiveKernel, ocap: OcapKernel, handle: RemoteHandleService) =>
  Effect.gen(function* () {
    yield* acknowledgeAll(handle, numbered(1, 3))
    yield* ocap.send(...numbered(1, 4).map(ocapMessage))
    yield* hasBodies(kernel, 4)
    yield* ocap.until(() => ocap.pending() === 0)
    ocap.deafen(true)
    const receipts = yield* sendAll(handle, ["never", "nor this"])
    yield* ocap.send(ocapMessage("5"), ocapMessage("6"))
    yield* hasBodies(kernel, 6)
    ocap.taken.length = 0
    return receipts
  })

const assertForgotten = (kernel: LiveKernel) =>
  assert.deepStrictEqual(
    kernel.forgotten.map(({ _tag }) => _tag),
    ["PeerRestartedError"]
  )

describe("with an ocap-kernel on libp2p: lost stores", () => {
  for (const [opener, dialed] of [
    ["we dial it", true],
    ["it dials us", false]
  ] as const) {
    it.live(`it lost its store, and ${opener} again: forgotten once, and both begin at 1`, () =>
      Effect.gen(function* () {
        const ocap = yield* startOcapKernel({ ackTimeout: soon })
        const kernel = yield* startLiveKernel()
        ocap.meet(kernel.address)
        if (!dialed) yield* ocap.open
        const handle = yield* kernel.remotes.get(ocap.peerId, { hints: dialed ? ocap.addresses : [] })
        const receipts = yield* leavePending(kernel, ocap, handle)
        yield* ocap.restart("ocap-2")
        ocap.deafen(false)
        if (!dialed) yield* ocap.send(ocapMessage("new 1"), ocapMessage("new 2"))
        const outcomes = yield* Effect.forEach(receipts, ({ acknowledged }) => Effect.flip(acknowledged))
        assert.deepStrictEqual(
          outcomes.map(({ _tag }) => _tag),
          ["PeerRestartedError", "PeerRestartedError"]
        )
        const again = yield* handle.deliver(message("to the new life"))
        assert.strictEqual(again.seq, 1)
        if (dialed) yield* again.acknowledged
        if (dialed) yield* ocap.send(ocapMessage("new 1"), ocapMessage("new 2"))
        yield* hasBodies(kernel, 8)
        yield* again.acknowledged
        yield* ocap.until(() => ocap.pending() === 0)
        assert.deepStrictEqual(kernel.bodies, [...numbered(1, 6), "new 1", "new 2"])
        assert.deepStrictEqual(bodiesOf(ocap), ["to the new life"])
        assert.deepStrictEqual(numbersOf(ocap), [1])
        assertForgotten(kernel)
        assertUnderstood(ocap)
      }).pipe(Effect.scoped)
    )

    it.live(`we lost our store, and ${opener} again: it forgets, closes, and both begin at 1`, () =>
      Effect.gen(function* () {
        const ocap = yield* startOcapKernel({ ackTimeout: soon })
        const kernel = yield* startLiveKernel()
        ocap.meet(kernel.address)
        yield* leavePending(kernel, ocap, yield* handleFor(kernel, ocap))
        yield* kernel.stop
        ocap.deafen(false)
        const newborn = yield* startLiveKernel()
        ocap.meet(newborn.address)
        const handle = yield* newborn.remotes.get(ocap.peerId, { hints: dialed ? ocap.addresses : [] })
        // It learns of our new life from a handshake, closes, and forgets; the next stream is a good one.
        if (!dialed) yield* untilReset(ocap)
        const sending = yield* Effect.fork(acknowledgeAll(handle, numbered(11, 15)))
        yield* ocap.until(() => ocap.resets() === 1)
        yield* ocap.send(ocapMessage("new 1"), ocapMessage("new 2"))
        yield* hasBodies(newborn, 2)
        yield* Fiber.join(sending)
        yield* ocap.until(() => ocap.pending() === 0)
        assert.deepStrictEqual(newborn.bodies, ["new 1", "new 2"])
        assert.deepStrictEqual<ReadonlyArray<unknown>>(bodiesOf(ocap), numbered(11, 15))
        assert.deepStrictEqual(numbersOf(ocap), [1, 2, 3, 4, 5])
        assert.deepStrictEqual(newborn.forgotten, [])
        assertUnderstood(ocap)
      }).pipe(Effect.scoped)
    )
  }

  for (const [opener, dialed] of [
    ["we dial it", true],
    ["it dials us", false]
  ] as const) {
    it.live(
      `we removed it, twice, and ${opener} again: it forgets as if we had lost our store, and both begin at 1`,
      () =>
        Effect.gen(function* () {
          const ocap = yield* startOcapKernel({ ackTimeout: soon })
          const kernel = yield* startLiveKernel()
          ocap.meet(kernel.address)
          yield* acknowledgeAll(yield* handleFor(kernel, ocap), numbered(1, 3))
          for (const round of [1, 2]) {
            yield* ocap.send(...numbered(1, 4).map(ocapMessage))
            yield* hasBodies(kernel, 4)
            yield* ocap.until(() => ocap.pending() === 0)
            ocap.deafen(true)
            yield* ocap.send(ocapMessage("5"), ocapMessage("6"))
            yield* hasBodies(kernel, 6)
            yield* kernel.remotes.remove(ocap.peerId)
            ocap.deafen(false)
            ocap.taken.length = 0
            kernel.bodies.length = 0
            const handle = yield* kernel.remotes.get(ocap.peerId, { hints: dialed ? ocap.addresses : [] })
            if (!dialed) yield* untilReset(ocap, round)
            const sending = yield* Effect.fork(acknowledgeAll(handle, numbered(11, 15)))
            yield* ocap.until(() => ocap.resets() === round)
            yield* ocap.send(ocapMessage("new 1"), ocapMessage("new 2"))
            yield* hasBodies(kernel, 2)
            yield* Fiber.join(sending)
            yield* ocap.until(() => ocap.pending() === 0)
            assert.deepStrictEqual(kernel.bodies, ["new 1", "new 2"])
            assert.deepStrictEqual<ReadonlyArray<unknown>>(bodiesOf(ocap), numbered(11, 15))
            assert.deepStrictEqual(numbersOf(ocap), [1, 2, 3, 4, 5])
            assertUnderstood(ocap)
            kernel.bodies.length = 0
          }
          assert.strictEqual(ocap.resets(), 2)
        }).pipe(Effect.scoped)
    )
  }

  it.live("a crash of ours that leaves the store loses and doubles nothing", () =>
    Effect.gen(function* () {
      const disk = RemoteStoreMemory.makeDisk()
      const ocap = yield* startOcapKernel({ ackTimeout: soon })
      const kernel = yield* startLiveKernel({ disk })
      ocap.meet(kernel.address)
      const receipts = yield* leavePending(kernel, ocap, yield* handleFor(kernel, ocap))
      assert.strictEqual(receipts.length, 2)
      yield* kernel.stop
      ocap.deafen(false)
      const again = yield* startLiveKernel({ disk })
      ocap.meet(again.address)
      yield* ocap.until(() => ocap.taken.length === 2 && ocap.pending() === 0)
      assert.deepStrictEqual(bodiesOf(ocap), ["never", "nor this"])
      assert.deepStrictEqual(numbersOf(ocap), [4, 5])
      assert.deepStrictEqual(again.bodies, [])
      assert.deepStrictEqual(again.forgotten, [])
      assertUnderstood(ocap)
    }).pipe(Effect.scoped)
  )
})

/**
 * A kernel of ours, and what the bench does with it. Its handler checks that messages come in order and only counts them, so that
 * what is measured is the library.
 */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as ER from "effect-remotes"
import { RemoteStoreSql } from "effect-remotes/sql"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { setTimeout as wait } from "node:timers/promises"
import { paceOf } from "../pace.ts"
import * as Frame from "../../src/protocol/Frame.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"
import { makeWatch, observed, type Watch } from "./observed.ts"
import { makePort, type Answers } from "./port.ts"
import type { Chatter, Connect, Enqueue, KernelOptions, Resume, Send, Sent } from "./requests.ts"

type HowMany = Pick<Send, "count" | "size">

interface Latencies {
  readonly micros: ReadonlyArray<number>
}

/** What a worker can be asked to do with its kernel. Nothing here may fail: then the bench is broken. */
export class Kernel extends Context.Tag("bench/Kernel")<
  Kernel,
  {
    readonly whereabouts: Effect.Effect<{ readonly peerId: string; readonly address: string }>
    readonly connect: (target: Pick<Connect, "peerId" | "address">) => Effect.Effect<{ readonly millis: number }>
    readonly send: (how: HowMany) => Effect.Effect<{ readonly millis: number }>
    readonly roundTrips: (how: HowMany) => Effect.Effect<Latencies>
    readonly acknowledged: (how: HowMany) => Effect.Effect<Latencies>
    readonly resume: (how: HowMany) => Effect.Effect<typeof Resume.success.Type>
    readonly enqueue: (how: HowMany & Pick<Enqueue, "peerId">) => Effect.Effect<{ readonly millis: number }>
    readonly chat: (how: Pick<Chatter, "perSecond" | "seconds" | "size">) => Effect.Effect<Latencies>
    /** Never ends by itself. */
    readonly flood: (size: number) => Effect.Effect<void>
    readonly sent: Effect.Effect<typeof Sent.success.Type>
    readonly startMillis: number
  }
>() {}

const layerStore = (file: string | undefined) =>
  file === undefined
    ? ER.RemoteStoreMemory.layer
    : RemoteStoreSql.layer.pipe(Layer.provide(RemoteStoreSql.layerClient(SqliteClient.layer({ filename: file }))))

/** Repeats what is to be timed, one after the other. */
const timeEach = <E>(count: number, work: (index: number) => Effect.Effect<unknown, E>) =>
  Effect.gen(function* () {
    const micros: Array<number> = []
    for (let index = 0; index < count; index += 1) {
      const started = performance.now()
      yield* work(index)
      micros.push((performance.now() - started) * 1000)
    }
    return { micros }
  })

const message = (target: string, body: string, result = "p-1"): ER.Delivery.Delivery => ({
  _tag: "Message",
  target,
  methargs: { body, slots: [] },
  result
})

/** One of the messages that are counted: its number is the result, so that the body is the same text again and again, as raw's is. */
const numbered = (target: string, number: number, body: string) => message(target, body, `p-${number}`)

/** How long a message is on the wire, without an ACK. */
const frameBytes = (seq: number, delivery: ER.Delivery.Delivery): number => {
  const bytes = WireMessage.head(seq, 0).length + WireMessage.encodeBody({ _tag: "Deliver", delivery }).length
  return Frame.prefixLength(bytes) + bytes
}

const makeKernel = (answers: Answers, watch: Watch, started: number) =>
  Effect.gen(function* () {
    const remotes = yield* ER.Remotes.Remotes
    const store = yield* ER.RemoteStore.RemoteStore
    const transport = yield* ER.Transport.Transport
    yield* answers.speakThrough(remotes)
    const connected = yield* Deferred.make<ER.RemoteHandle.RemoteHandleService>()
    const peer = Deferred.await(connected)
    /** How many messages each peer was sent; its handler counts along. */
    const sent = new Map<string, number>()
    const sentTo = (handle: ER.RemoteHandle.RemoteHandleService) => sent.get(handle.peerId) ?? 0

    const connect = Effect.fnUntraced(function* ({ address, peerId }: Pick<Connect, "peerId" | "address">) {
      const started = performance.now()
      const handle = yield* remotes.get(peerId, { hints: [address] })
      const receipt = yield* handle.deliver(message("hello", ""))
      yield* receipt.acknowledged
      yield* Deferred.succeed(connected, handle)
      return { millis: performance.now() - started }
    }, Effect.orDie)

    const sendTo = Effect.fnUntraced(function* (
      handle: ER.RemoteHandle.RemoteHandleService,
      { count, size, target = "sink", turns: most }: HowMany & { readonly turns: number; readonly target?: string }
    ) {
      const pace = paceOf(size)
      const filling = "x".repeat(size)
      const turn = (messages: number) =>
        store.transaction(
          Effect.gen(function* () {
            let receipt: ER.RemoteHandle.Receipt | undefined
            for (let index = 0; index < messages; index += 1) {
              const number = sentTo(handle)
              sent.set(handle.peerId, number + 1)
              receipt = yield* handle.deliver(numbered(target, number, filling))
            }
            return receipt
          })
        )
      const turns: Array<ER.RemoteHandle.Receipt> = []
      for (let left = count; left > 0; left -= pace.turn) {
        if (turns.length >= most) yield* turns.shift()?.acknowledged ?? Effect.void
        const receipt = yield* turn(Math.min(left, pace.turn))
        if (receipt !== undefined) turns.push(receipt)
      }
      return turns.at(-1)?.acknowledged ?? Effect.void
    })

    const send = Effect.fnUntraced(function* ({ count, size }: HowMany) {
      const handle = yield* peer
      const started = performance.now()
      yield* yield* sendTo(handle, { count, size, turns: paceOf(size).turns })
      return { millis: performance.now() - started }
    }, Effect.orDie)

    const enqueue = Effect.fnUntraced(function* ({ count, peerId, size }: HowMany & Pick<Enqueue, "peerId">) {
      const handle = yield* remotes.get(peerId)
      const started = performance.now()
      yield* Effect.asVoid(sendTo(handle, { count, size, turns: Infinity }))
      return { millis: performance.now() - started }
    }, Effect.orDie)

    const flood = Effect.fnUntraced(function* (size: number) {
      const handle = yield* peer
      const last = yield* sendTo(handle, { count: Infinity, size, target: "drain", turns: paceOf(size).turns })
      yield* last
    }, Effect.orDie)

    const resume = Effect.fnUntraced(function* ({ count, size }: HowMany) {
      const handle = yield* peer
      const before = watch.seen.length
      const first = sentTo(handle)
      const { nextSeq } = yield* handle.status
      watch.cutAfter = (watch.seen.at(-1)?.bytes ?? 0) + (count * size) / 2
      yield* yield* sendTo(handle, { count, size, turns: Infinity })
      const after = watch.seen[before]
      if (after?.received === undefined || after.firstAt === undefined)
        return yield* Effect.dieMessage("nothing was cut")
      const filling = "x".repeat(size)
      const lacked = nextSeq + count - 1 - after.received
      let lackedBytes = 0
      for (let seq = after.received + 1; seq < nextSeq + count; seq += 1) {
        lackedBytes += frameBytes(seq, numbered("sink", first + seq - nextSeq, filling))
      }
      return { resentBytes: after.bytes, lackedBytes, lacked, firstMillis: after.firstAt - after.openedAt }
    }, Effect.orDie)

    const roundTrips = Effect.fnUntraced(function* ({ count, size }: HowMany) {
      const handle = yield* peer
      const body = "x".repeat(size)
      return yield* timeEach(count, () =>
        Effect.zipRight(handle.deliver(message("echo", body)), Effect.suspend(answers.next))
      )
    }, Effect.orDie)

    const acknowledged = Effect.fnUntraced(function* ({ count, size }: HowMany) {
      const handle = yield* peer
      const body = "x".repeat(size)
      return yield* timeEach(count, () =>
        Effect.flatMap(handle.deliver(message("hello", body)), (receipt) => receipt.acknowledged)
      )
    }, Effect.orDie)

    /** At a steady pace, beginning anywhere in it: the wait of a message that others held up counts from when it was due. */
    const chat = Effect.fnUntraced(function* ({
      perSecond,
      seconds,
      size
    }: Pick<Chatter, "perSecond" | "seconds" | "size">) {
      const handle = yield* peer
      const body = "x".repeat(size)
      const micros: Array<number> = []
      const pause = 1000 / perSecond
      const first = performance.now() + (yield* Random.nextRange(0, pause))
      for (let index = 0; index < perSecond * seconds; index += 1) {
        const due = first + index * pause
        const early = due - performance.now()
        // `Effect.sleep` leaves a kilobyte that only a full collection frees, and each collection until then holds up all kernels here.
        if (early > 0) yield* Effect.promise(() => wait(early))
        // One that is late, because the one before it took so long, has waited since it was due.
        const started = early > 0 ? performance.now() : due
        const receipt = yield* handle.deliver(message("hello", body))
        yield* receipt.acknowledged
        micros.push((performance.now() - started) * 1000)
      }
      return { micros }
    }, Effect.orDie)

    return Kernel.of({
      whereabouts: Effect.map(transport.listenAddresses, ([address = ""]) => ({
        peerId: remotes.localPeerId,
        address
      })),
      connect,
      send,
      roundTrips,
      acknowledged,
      resume,
      enqueue,
      chat,
      flood,
      sent: Effect.sync(() => ({ count: [...sent.values()].reduce((sum, count) => sum + count, 0) })),
      startMillis: performance.now() - started
    })
  })

/** They are there against floods, and are lower than what goes through here. */
const unlimited = { maxInboundMessagesPerSecond: Infinity, maxInboundBytesPerSecond: Infinity }

/** A quarter of all places is kept for peers that a kernel knows. */
const placesFor = (strangers: number) => ({ maxConcurrentConnections: Math.ceil((strangers * 4) / 3) + 1 })

/** A kernel on TCP, alone on its address. */
export const layerKernel = (options: KernelOptions) =>
  Layer.unwrapEffect(
    Effect.map(makePort, ({ answers, port }) => {
      const watch = makeWatch()
      const factory = Layer.effect(
        ER.ConnectionFactory.ConnectionFactory,
        observed(options.isObserved === true ? watch : undefined, options.dials)
      ).pipe(
        Layer.provide(
          ER.ConnectionFactoryLibp2p.layer({ listen: ["/ip4/127.0.0.1/tcp/0"], busyPolling: options.busyPolling })
        )
      )
      return Layer.effect(Kernel, makeKernel(answers, watch, performance.now())).pipe(
        Layer.provide(ER.RemotesDurable.layer),
        Layer.provide(Layer.succeed(ER.KernelPort.KernelPort, port)),
        Layer.provide(ER.TransportLinks.layer),
        Layer.provide(factory),
        Layer.provide(ER.RemoteIdentityStored.layer({ keySeed: Redacted.make(options.seed) })),
        Layer.provide(layerStore(options.file)),
        Layer.provide(
          ER.RemotesConfig.layer({
            maxPendingMessages: options.maxPendingMessages,
            maxPendingBytes: Math.max(64 * 1_048_576, 1024 * options.maxPendingMessages),
            maxMessageSize: 2 * 1_048_576,
            ...(options.crowd === undefined ? unlimited : placesFor(options.crowd))
          })
        ),
        Layer.provide(Logger.minimumLogLevel(LogLevel.Error))
      )
    })
  ).pipe(Layer.orDie)

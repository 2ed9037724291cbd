import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { NetworkStoppedError, ProtocolViolationError } from "../../errors/ConnectionError.ts"
import type { OutcomeUnknownError, RedemptionRefusedError } from "../../errors/RemoteError.ts"
import { GivenUpError, RedemptionTimeoutError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { HandshakeError, ResourceLimitError } from "../../errors/TransportError.ts"
import { makeDeadline } from "../../internal/deadline.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Content } from "../../protocol/WireMessage.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import type { KernelPort } from "../../services/KernelPort.ts"
import type { DeliverError, Receipt, RemoteHandleService, RemoteStatus } from "../../services/RemoteHandle.ts"
import type { RemoteIdentity } from "../../services/RemoteIdentity.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { RemoteStore } from "../../services/RemoteStore.ts"
import type { Link } from "../../services/Transport.ts"
import type { Committer, Placed } from "./committer.ts"
import type { Converser } from "./conversing.ts"
import { converse, expectAnswer, tellKernel } from "./conversing.ts"
import type { Core } from "./Core.ts"
import { acknowledged, endConversation, isForgettable } from "./Core.ts"
import { makePacer } from "./pacing.ts"
import type { Redemptions } from "./receiving.ts"
import { flush, onAckDeadline } from "./sending.ts"
import { makeParticipant, stageBody, stageEnding } from "./staging.ts"

/**
 * @internal
 */
export interface HandleOptions {
  readonly core: Core
  readonly link: Link
  readonly store: RemoteStore["Type"]
  readonly port: KernelPort["Type"]
  readonly identity: RemoteIdentity["Type"]
  readonly config: Options
  readonly committer: Committer
  readonly mayRecord: () => boolean
  /** Called when the peer is gone and left nothing behind. */
  readonly forget: () => void
}

/**
 * What the set of remotes knows of a handle.
 *
 * @internal
 */
export interface HandleActor {
  readonly handle: RemoteHandleService
  readonly addHints: (hints: ReadonlyArray<string>) => Effect.Effect<void, StoreError>
}

/** How long settled messages may stay in the store when no other commit takes them along. */
const tidyDelay = Duration.millis(200)

/** 128 bits in hexadecimal: unique among all of this kernel's lives. */
const makeReplyKey = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 4), (words) =>
  words.map((word) => word.toString(16).padStart(8, "0")).join("")
)

const receiptFor = ({ conversation, seq }: Placed): Receipt => ({ seq, acknowledged: acknowledged(conversation, seq) })

/**
 * Makes the handle of one peer: a reader and a writer, and deadlines, around one state.
 *
 * @internal
 */
export const makeHandle = Effect.fnUntraced(function* (options: HandleOptions) {
  const { committer, config, core, identity, link, port, store } = options
  const { peerId } = core
  const awake = Effect.unsafeMakeLatch(true)
  const room = Effect.unsafeMakeLatch(true)
  const news = yield* PubSub.sliding<void>(1)
  const redemptions: Redemptions = new Map()
  let stopped = false

  const wake = () => awake.unsafeOpen()
  const notify = () => {
    news.unsafeOffer(undefined)
  }
  const makeRoom = () => room.unsafeOpen()
  const rejectRedemptions = (why: OutcomeUnknownError | NetworkStoppedError) => {
    for (const waiter of redemptions.values()) Deferred.unsafeDone(waiter, Effect.fail(why))
    redemptions.clear()
  }
  const participant = makeParticipant(core, store, () => {
    wake()
    notify()
  })

  const ackDeadline = yield* makeDeadline(
    Duration.times(config.ackTimeout, 0.5),
    Effect.suspend(() => onAckDeadline(converser, wake))
  )
  const delayedAck = yield* makeDeadline(
    config.ackDelay,
    Effect.sync(() => {
      if (core.channel !== undefined) core.channel.ackDue = true
      wake()
    })
  )
  const tidy = yield* makeDeadline(
    tidyDelay,
    Effect.catchAll(store.transaction(store.enlist(participant)), (error) =>
      Effect.logWarning("settled messages stay in the store for now", error)
    )
  )
  const converser: Converser = {
    core,
    link,
    store,
    port,
    identity,
    config,
    pacer: yield* makePacer(config.maxMessagesPerSecond, wake),
    participant,
    redemptions,
    ackDeadline,
    delayedAck,
    tidy,
    wake,
    notify,
    makeRoom,
    rejectRedemptions,
    mayRecord: options.mayRecord
  }

  const write = Effect.gen(function* () {
    yield* awake.await
    awake.unsafeClose()
    if (core.channel !== undefined) return yield* flush(converser)
    if (SendWindow.pending(core.window) > 0) yield* link.want
  })

  /** A bug in here must not end the conversation: the channel is dropped, and the next one brings again what was in hand. */
  const recover = (cause: Cause.Cause<never>) =>
    Effect.gen(function* () {
      if (Cause.isInterruptedOnly(cause)) return yield* Effect.interrupt
      yield* Effect.logError("a remote's fiber died; its channel is dropped", cause)
      const { channel } = core
      core.channel = undefined
      const error = new ProtocolViolationError({ peerId, reason: "this side failed on what the peer sent" })
      if (channel !== undefined) yield* link.drop(channel.number, error)
      yield* Effect.sleep("1 second")
    })

  const readLink = Effect.gen(function* () {
    yield* converse(converser, yield* link.take)
    if (core.channel === undefined && isForgettable(core)) options.forget()
  })

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      stopped = true
      endConversation(core.conversation, new NetworkStoppedError())
      rejectRedemptions(new NetworkStoppedError())
      makeRoom()
    })
  )
  for (const loop of [readLink, write]) {
    yield* Effect.forever(Effect.catchAllCause(loop, recover)).pipe(
      Effect.annotateLogs({ package: "effect-remotes", module: "RemoteHandle", peer: peerId }),
      Effect.forkScoped
    )
  }

  const isFull = () =>
    SendWindow.pending(core.window) + core.reservedMessages >= config.maxPendingMessages ||
    core.pendingBytes + core.reservedBytes >= config.maxPendingBytes

  const waitForRoom: Effect.Effect<void, NetworkStoppedError> = Effect.suspend(() => {
    if (stopped) return Effect.fail(new NetworkStoppedError())
    if (!isFull()) return Effect.void
    room.unsafeClose()
    return Effect.zipRight(room.await, waitForRoom)
  })

  const reserve = (body: Uint8Array, sign: 1 | -1): void => {
    core.reservedMessages += sign
    core.reservedBytes += sign * body.length
    if (sign === -1 && !isFull()) makeRoom()
  }

  const commitAlone = (body: Uint8Array) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(waitForRoom), () => {
        reserve(body, 1)
        return Effect.ensuring(
          committer.commit(core, participant, body),
          Effect.sync(() => reserve(body, -1))
        )
      })
    )

  const limitInTurn = (body: Uint8Array): ResourceLimitError | undefined => {
    const { bodies } = core.staged
    const messages = SendWindow.pending(core.window) + bodies.length
    const bytes = bodies.reduce((sum, { length }) => sum + length, core.pendingBytes)
    const most = { messages: 2 * config.maxPendingMessages, bytes: 2 * config.maxPendingBytes }
    if (messages >= most.messages) {
      return new ResourceLimitError({ limit: "pendingMessages", current: messages, max: most.messages })
    }
    return bytes + body.length > most.bytes
      ? new ResourceLimitError({ limit: "pendingBytes", current: bytes, max: most.bytes })
      : undefined
  }

  const stageInTurn = (body: Uint8Array): Effect.Effect<Placed, ResourceLimitError> =>
    Effect.suspend(() => {
      const limit = limitInTurn(body)
      return limit === undefined
        ? Effect.map(store.enlist(participant), () => stageBody(core, body))
        : Effect.fail(limit)
    })

  const submit = (content: Exclude<Content, { _tag: "Malformed" }>): Effect.Effect<Placed, DeliverError> =>
    Effect.flatMap(store.inTransaction, (inTransaction): Effect.Effect<Placed, DeliverError> => {
      if (stopped) return Effect.fail(new NetworkStoppedError())
      const body = WireMessage.encodeBody(content)
      const size = WireMessage.largestFrame(body.length)
      if (size > config.maxMessageSize) {
        return Effect.fail(new ResourceLimitError({ limit: "messageSize", current: size, max: config.maxMessageSize }))
      }
      return inTransaction ? stageInTurn(body) : commitAlone(body)
    })

  const redeemTimeout = Duration.times(config.ackTimeout, config.redemptionRetries + 1)
  const redeemOcapUrl: RemoteHandleService["redeemOcapUrl"] = Effect.fn("RemoteHandle.redeemOcapUrl")(function* (url) {
    if (yield* store.inTransaction) {
      return yield* Effect.dieMessage("redeemOcapUrl waits for the peer, so it cannot run inside of a transaction")
    }
    const replyKey = yield* makeReplyKey
    const answer = yield* Deferred.make<string, RedemptionRefusedError | OutcomeUnknownError | NetworkStoppedError>()
    redemptions.set(replyKey, answer)
    return yield* submit({ _tag: "RedeemUrl", url, replyKey }).pipe(
      Effect.zipRight(Deferred.await(answer)),
      Effect.timeoutFail({
        duration: redeemTimeout,
        onTimeout: () => new RedemptionTimeoutError({ peerId, timeout: redeemTimeout })
      }),
      Effect.ensuring(
        Effect.sync(() => {
          redemptions.delete(replyKey)
          expectAnswer(converser)
        })
      )
    )
  })

  const giveUp = Effect.fn("RemoteHandle.giveUp")(function* (reason: string) {
    const why = new GivenUpError({ peerId, reason })
    const pending = SendWindow.pending(core.window) > 0
    yield* store.transaction(
      Effect.gen(function* () {
        yield* store.enlist(participant)
        const at = yield* Clock.currentTimeMillis
        yield* stageEnding(core, store, { why, reason: "GivenUp", detail: reason, epoch: undefined, at })
        core.staged.after.push(() => rejectRedemptions(why))
        yield* tellKernel(store, port, peerId, why)
      })
    )
    makeRoom()
    // The next handshake tells a peer of ours from which number on it may expect something again.
    if (pending && core.channel?.extended === true) {
      const cause = new HandshakeError({ peerId, reason: "messages were given up; the session is stated anew" })
      yield* link.drop(core.channel.number, cause)
    }
  })

  const status: Effect.Effect<RemoteStatus> = Effect.map(link.state, (state) => ({
    peerId,
    link: state,
    pendingMessages: SendWindow.pending(core.window),
    pendingBytes: core.pendingBytes,
    nextSeq: core.window.next,
    acknowledgedSeq: core.window.settled,
    receivedSeq: core.received,
    held: core.held,
    resent: core.resent
  }))

  const handle: RemoteHandleService = {
    peerId,
    deliver: (delivery) => Effect.map(submit({ _tag: "Deliver", delivery }), receiptFor),
    redeemOcapUrl,
    giveUp,
    status,
    changes: Stream.merge(Stream.void, Stream.merge(link.changes, Stream.fromPubSub(news))).pipe(
      Stream.mapEffect(() => status)
    )
  }
  const actor: HandleActor = {
    handle,
    addHints: (hints) => {
      const fresh = hints.filter((hint) => !core.hints.includes(hint))
      return fresh.length === 0
        ? Effect.void
        : store.transaction(
            Effect.flatMap(store.enlist(participant), () =>
              Effect.sync(() => {
                core.staged.hints = [...core.hints, ...fresh].slice(-16)
              })
            )
          )
    }
  }
  return actor
})

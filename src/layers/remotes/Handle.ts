import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { NetworkStoppedError, ProtocolViolationError } from "../../errors/ConnectionError.ts"
import type { RemotePendingError } from "../../errors/RemoteError.ts"
import { GivenUpError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { HandshakeError, ResourceLimitError } from "../../errors/TransportError.ts"
import { makeDeadline } from "../../internal/deadline.ts"
import type { Delivery } from "../../protocol/Delivery.ts"
import type { Lane } from "../../protocol/Room.ts"
import { laneOf } from "../../protocol/Room.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Content } from "../../protocol/WireMessage.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import type { KernelPort } from "../../services/KernelPort.ts"
import type { DeliverError, Receipt, RemoteHandleService, RemoteStatus } from "../../services/RemoteHandle.ts"
import type { RemoteIdentity } from "../../services/RemoteIdentity.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { RemoteStore, StoredRedemption } from "../../services/RemoteStore.ts"
import type { Link } from "../../services/Transport.ts"
import { makeAcceptTimes } from "./acceptTimes.ts"
import { makeAdmission } from "./admission.ts"
import type { Committer } from "./committer.ts"
import type { Converser } from "./conversing.ts"
import { converse, expectAnswer, settleNow, tellKernel } from "./conversing.ts"
import type { Core } from "./Core.ts"
import { acknowledged, endConversation, isForgettable, waitingMessages } from "./Core.ts"
import { suppressEcho } from "./echoes.ts"
import { makeExpiring } from "./expiring.ts"
import { watchForGiveUp } from "./givingUp.ts"
import { makeTally } from "./tally.ts"
import { makePacer } from "./pacing.ts"
import { makeRedemptions } from "./redemptions.ts"
import { removeRemote } from "./removing.ts"
import { flush, onAckDeadline } from "./sending.ts"
import type { Placed } from "./staging.ts"
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
  /** What the peer was asked for before. */
  readonly redemptions: ReadonlyArray<StoredRedemption>
  /** Called when the peer is gone and left nothing behind. */
  readonly forget: () => void
  /** Called when the status may be another. */
  readonly changed: () => void
}

/**
 * What the set of remotes knows of a handle.
 *
 * @internal
 */
export interface HandleActor {
  readonly handle: RemoteHandleService
  readonly addHints: (hints: ReadonlyArray<string>) => Effect.Effect<void, StoreError>
  /** Forgets the peer, if nothing is pending for it. */
  readonly remove: Effect.Effect<void, RemotePendingError | StoreError>
}

/** How long settled messages may stay in the store when no other commit takes them along. */
const tidyDelay = Duration.millis(200)

/** A slow reader gets only the newest. */
const newest = <A>(changes: Stream.Stream<A>): Stream.Stream<A> =>
  Stream.buffer(changes, { capacity: 1, strategy: "sliding" })

/** Nothing was sent that could be lost. */
const suppressed: Receipt = { seq: 0, acknowledged: Effect.void }

const receiptFor = ({ conversation, seq, waiter }: Placed): Receipt => ({
  seq,
  acknowledged: waiter === undefined ? acknowledged(conversation, seq) : Deferred.await(waiter)
})

/** Undefined if it never comes, or not as long as numbers are exact. */
const deadlineIn = (expiresIn: Duration.DurationInput, now: number): number | undefined => {
  const expiresAt = Math.ceil(now + Duration.toMillis(expiresIn))
  return Number.isSafeInteger(expiresAt) ? expiresAt : undefined
}

/**
 * Makes the handle of one peer: a reader and a writer, and deadlines, around one state.
 *
 * @internal
 */
export const makeHandle = Effect.fnUntraced(function* (options: HandleOptions) {
  const { committer, config, core, identity, link, port, store } = options
  const { peerId } = core
  const awake = Effect.unsafeMakeLatch(true)
  const admission = makeAdmission(core, config)
  const { makeRoom } = admission
  const news = yield* PubSub.sliding<void>(1)
  let stopped = false

  const wake = () => awake.unsafeOpen()
  const clock = yield* Clock.clockWith(Effect.succeed)
  const acceptTimes = makeAcceptTimes(core, clock)
  const tally = yield* makeTally(core)
  const notify = () => {
    tally()
    news.unsafeOffer(undefined)
    options.changed()
  }
  const participant = makeParticipant(core, store, () => {
    acceptTimes.note()
    lookForExpired()
    wake()
    notify()
    // The commit may have counted anew what is pending.
    makeRoom()
  })
  const lookForExpired = yield* makeExpiring({
    core,
    store,
    participant,
    onEnded: () => {
      makeRoom()
      wake()
    }
  })

  const stageInTurn = (lane: Lane, body: Uint8Array, expiresAt?: number): Effect.Effect<Placed, ResourceLimitError> =>
    Effect.suspend(() => {
      const objection = admission.objectionInTurn(lane, body.length)
      return objection === undefined
        ? Effect.map(store.enlist(participant), () => stageBody(core, body, expiresAt))
        : Effect.fail(objection)
    })

  /** `commit` gives the message its place, outside of a transaction of the caller's. */
  const submit = (
    content: Exclude<Content, { _tag: "Malformed" }>,
    lane: Lane,
    commit: (body: Uint8Array) => Effect.Effect<Placed, DeliverError>,
    expiresAt?: number
  ): Effect.Effect<Placed, DeliverError> =>
    Effect.flatMap(store.inTransaction, (inTransaction): Effect.Effect<Placed, DeliverError> => {
      if (stopped || core.gone) return Effect.fail(new NetworkStoppedError())
      const body = WireMessage.encodeBody(content)
      const size = WireMessage.largestFrame(body.length)
      const max = Math.min(config.maxMessageSize, core.largestFrame)
      if (size > max) return Effect.fail(new ResourceLimitError({ limit: "messageSize", current: size, max }))
      return inTransaction ? stageInTurn(lane, body, expiresAt) : admission.enter(lane, body.length, commit(body))
    })

  const commitAlone = (expiresAt: number | undefined) => (body: Uint8Array) =>
    committer.commit(core, participant, body, expiresAt)

  const redemptions = makeRedemptions({
    core,
    store,
    config,
    found: options.redemptions,
    onAwaited: () => expectAnswer(converser),
    ask: (request, along) =>
      submit(request, "ordinary", (body) =>
        store.transaction(
          Effect.gen(function* () {
            // The remote may have been removed while this transaction waited for its turn.
            if (core.gone) return yield* new NetworkStoppedError()
            yield* store.enlist(participant)
            yield* along
            return stageBody(core, body)
          })
        )
      )
  })
  const rejectRedemptions = redemptions.reject

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
  const gapDeadline = yield* makeDeadline(
    config.gapTimeout,
    Effect.suspend(() => (core.channel === undefined ? Effect.void : link.remind(core.channel.number)))
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
    gapDeadline,
    tidy,
    wake,
    notify,
    makeRoom,
    rejectRedemptions,
    behind: [],
    mayRecord: options.mayRecord,
    settleNow: () => settleNow(converser)
  }

  const giveUpIf = Effect.fn("RemoteHandle.giveUp")(function* (reason: string, isDue: () => boolean) {
    const why = new GivenUpError({ peerId, reason })
    const pending = SendWindow.pending(core.window) > 0
    const done = yield* store.transaction(
      Effect.gen(function* () {
        if (!isDue()) return false
        yield* store.enlist(participant)
        const at = yield* Clock.currentTimeMillis
        yield* stageEnding(core, store, { why, reason: "GivenUp", detail: reason, epoch: undefined, at })
        core.staged.after.push(() => rejectRedemptions(why))
        yield* tellKernel(store, port, peerId, why)
        return true
      })
    )
    if (!done) return
    makeRoom()
    // The next handshake tells a peer of ours from which number on it may expect something again.
    if (pending && core.channel?.extended === true) {
      const cause = new HandshakeError({ peerId, reason: "messages were given up; the session is stated anew" })
      yield* link.drop(core.channel.number, cause)
    }
  })

  const watch = yield* watchForGiveUp({ core, link, policy: config.giveUp, giveUp: giveUpIf })

  const write = Effect.gen(function* () {
    yield* awake.await
    awake.unsafeClose()
    if (core.channel !== undefined) return yield* flush(converser)
    if (SendWindow.pending(core.window) === 0) return
    yield* watch.waiting
    yield* link.want
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
    if (core.channel !== undefined || link.peek().length > 0 || !isForgettable(core)) return
    options.forget()
    // What the link tells from here on is for who comes next.
    return yield* Effect.never
  })

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      stopped = true
      endConversation(core.conversation, new NetworkStoppedError())
      rejectRedemptions(new NetworkStoppedError())
      admission.stop()
    })
  )
  lookForExpired()
  tally()
  for (const loop of [readLink, write]) {
    yield* Effect.forever(Effect.catchAllCause(loop, recover)).pipe(
      Effect.annotateLogs({ package: "effect-remotes", module: "RemoteHandle", peer: peerId }),
      Effect.forkScoped
    )
  }

  const send = (delivery: Delivery, expiresIn: Duration.DurationInput | undefined) =>
    Effect.suspend(() => {
      const expiresAt = expiresIn === undefined ? undefined : deadlineIn(expiresIn, clock.unsafeCurrentTimeMillis())
      return Effect.map(
        submit({ _tag: "Deliver", delivery }, laneOf(delivery), commitAlone(expiresAt), expiresAt),
        receiptFor
      )
    })

  const deliver: RemoteHandleService["deliver"] = (delivery, { expiresIn } = {}) =>
    delivery._tag === "BringOutYourDead" && !stopped && !core.gone
      ? Effect.flatMap(suppressEcho(core, store, participant), (isEcho) =>
          isEcho ? Effect.succeed(suppressed) : send(delivery, expiresIn)
        )
      : send(delivery, expiresIn)

  const status: Effect.Effect<RemoteStatus> = Effect.map(link.state, (state) => ({
    peerId,
    at: clock.unsafeCurrentTimeMillis(),
    link: state,
    pendingMessages: waitingMessages(core),
    pendingBytes: core.pendingBytes,
    oldestPendingAt: acceptTimes.oldest(),
    nextSeq: core.window.next,
    acknowledgedSeq: core.window.settled,
    receivedSeq: core.received,
    held: core.held,
    resent: core.resent,
    lostByPeer: core.lostByPeer
  }))

  const handle: RemoteHandleService = {
    peerId,
    deliver,
    redeemOcapUrl: redemptions.redeem,
    giveUp: (reason) =>
      Effect.zipLeft(
        giveUpIf(reason, () => true),
        watch.rest
      ),
    status,
    changes: Stream.merge(Stream.void, Stream.merge(newest(link.changes), Stream.fromPubSub(news))).pipe(
      Stream.mapEffect(() => status)
    )
  }
  const actor: HandleActor = {
    handle,
    remove: removeRemote({ core, store, port, questions: redemptions.unanswered, forget: options.forget }),
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

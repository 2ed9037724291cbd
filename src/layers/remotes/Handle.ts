import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { RemotePendingError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { Deadline } from "../../internal/deadline.ts"
import type { Roster } from "../../internal/onCall.ts"
import type { Clockwork } from "../../internal/timers.ts"
import type { KernelPort } from "../../services/KernelPort.ts"
import type { Receipt, RemoteHandleService, RemoteStatus } from "../../services/RemoteHandle.ts"
import type { RemoteIdentity } from "../../services/RemoteIdentity.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { RemoteStore, StoredRedemption } from "../../services/RemoteStore.ts"
import type { Link } from "../../services/Transport.ts"
import { giveUp } from "./abandoning.ts"
import { makeAcceptTimes } from "./acceptTimes.ts"
import { Admission } from "./admission.ts"
import type { Committer } from "./committer.ts"
import { endConversation } from "./Conversation.ts"
import type { Converser } from "./Converser.ts"
import { expectAnswer, settleNow } from "./Converser.ts"
import type { Core } from "./Core.ts"
import { suppressEcho } from "./echoes.ts"
import { makeExpiring } from "./expiring.ts"
import { watchForGiveUp } from "./givingUp.ts"
import { makeLoops } from "./loops.ts"
import { makePacer } from "./pacing.ts"
import { Redemptions } from "./redemptions.ts"
import { removeRemote } from "./removing.ts"
import { idleUntil } from "./retiring.ts"
import { waitingMessages } from "./room.ts"
import { onAckDeadline } from "./sending.ts"
import { makeParticipant } from "./staging.ts"
import { makeSubmitter } from "./submitting.ts"
import { makeTally } from "./tally.ts"

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
  readonly clockwork: Clockwork
  readonly roster: Roster
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
  /** As `remove`, if nothing was said for so long and the kernel has no use for the peer; whether it did. */
  readonly expire: (after: Duration.Duration) => Effect.Effect<boolean, RemotePendingError | StoreError>
}

/** How long settled messages may stay in the store when no other commit takes them along. */
const tidyDelay = Duration.seconds(1)

/** A slow reader gets only the newest. */
const newest = <A>(changes: Stream.Stream<A>): Stream.Stream<A> =>
  Stream.buffer(changes, { capacity: 1, strategy: "sliding" })

/** Nothing was sent that could be lost. */
const suppressed: Receipt = { seq: 0, acknowledged: Effect.void }

/**
 * Makes the handle of one peer: a reader and a writer, and deadlines, around one state.
 *
 * @internal
 */
export const makeHandle = Effect.fnUntraced(function* (options: HandleOptions) {
  const { committer, config, core, identity, link, port, store } = options
  const { peerId } = core
  const admission = new Admission(core, config)
  const makeRoom = () => admission.makeRoom()
  /** Not made before somebody watches. */
  let news: PubSub.PubSub<void> | undefined
  let stopped = false

  const scope = yield* Effect.scope
  const timers = yield* options.clockwork.within(scope)
  const { clock } = timers
  const acceptTimes = makeAcceptTimes(core, clock)
  const tally = makeTally(core)
  const notify = () => {
    tally.count()
    news?.unsafeOffer(undefined)
    options.changed()
  }
  const loops = makeLoops({
    converser: () => converser,
    roster: options.roster,
    link,
    waiting: () => watch.waiting,
    forget: options.forget
  })
  const { wake, wakeNow } = loops
  const participant = makeParticipant(core, store, clock, () => {
    acceptTimes.note()
    lookForExpired()
    if (core.removed >= core.window.settled) tidy.disarm()
    wakeNow()
    notify()
    // The commit may have counted anew what is pending.
    makeRoom()
  })
  const lookForExpired = makeExpiring({
    core,
    timers,
    store,
    participant,
    onEnded: () => {
      makeRoom()
      wake()
    }
  })

  const { submitDelivery, submitQuestion } = makeSubmitter({
    core,
    store,
    config,
    admission,
    participant,
    committer,
    clock,
    isStopped: () => stopped
  })

  const asking = { core, store, config, onAwaited: () => expectAnswer(converser), ask: submitQuestion }
  const redemptions = new Redemptions(asking, options.redemptions)

  const ackDeadline = new Deadline(timers, Duration.times(config.ackTimeout, 0.5), () => onAckDeadline(converser, wake))
  const delayedAck = new Deadline(timers, config.ackDelay, () => {
    if (core.channel !== undefined) core.channel.ackDue = true
    wake()
    return Effect.void
  })
  const gapDeadline = new Deadline(timers, config.gapTimeout, () =>
    core.channel === undefined ? Effect.void : link.remind(core.channel.number)
  )
  const tidy = new Deadline(timers, tidyDelay, () =>
    Effect.catchAll(store.transaction(Effect.void, participant), (error) =>
      core.gone ? Effect.void : Effect.logWarning("settled messages stay in the store for now", error)
    )
  )
  const converser: Converser = {
    core,
    link,
    store,
    port,
    identity,
    config,
    clock,
    pacer: makePacer(timers, config.maxMessagesPerSecond, wake),
    participant,
    redemptions,
    ackDeadline,
    delayedAck,
    gapDeadline,
    tidy,
    wake,
    notify,
    makeRoom,
    behind: [],
    mayRecord: options.mayRecord,
    settleNow: () => settleNow(converser)
  }

  const giveUpIf = (reason: string, isDue: () => boolean) => giveUp(converser, reason, isDue)
  const watch = yield* watchForGiveUp({ core, link, timers, policy: config.giveUp, giveUp: giveUpIf })

  const end = Effect.zipRight(
    loops.end,
    Effect.sync(() => {
      stopped = true
      endConversation(core.conversation, new NetworkStoppedError())
      redemptions.reject(new NetworkStoppedError())
      admission.stop()
      tally.end()
    })
  )
  yield* Scope.addFinalizer(scope, end)
  lookForExpired()
  tally.count()
  loops.begin()

  const deliver: RemoteHandleService["deliver"] = (delivery, { expiresIn } = {}) =>
    delivery._tag === "BringOutYourDead" && !stopped && !core.gone
      ? Effect.flatMap(suppressEcho(core, store, participant), (isEcho) =>
          isEcho ? Effect.succeed(suppressed) : submitDelivery(delivery, expiresIn)
        )
      : submitDelivery(delivery, expiresIn)

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

  const watched = Effect.map(PubSub.sliding<void>(1), (made) => Stream.fromPubSub((news ??= made)))

  const handle: RemoteHandleService = {
    peerId,
    deliver,
    redeemOcapUrl: (url) => redemptions.redeem(url),
    giveUp: (reason) =>
      Effect.zipLeft(
        giveUpIf(reason, () => true),
        watch.rest
      ),
    status,
    // Not made before somebody asks: a kernel with many peers would have as many streams that nobody reads.
    get changes() {
      return Stream.merge(Stream.void, Stream.merge(newest(link.changes), Stream.unwrap(watched))).pipe(
        Stream.mapEffect(() => status)
      )
    }
  }
  const removal = { core, store, port, questions: (now: number) => redemptions.unanswered(now), forget: options.forget }
  const actor: HandleActor = {
    handle,
    get remove() {
      return Effect.asVoid(removeRemote({ ...removal, reason: "it was removed", mayGo: Effect.succeed(true) }))
    },
    expire: (after) =>
      removeRemote({
        ...removal,
        reason: `nothing was said for ${Duration.format(after)}`,
        mayGo: Effect.suspend(() =>
          idleUntil(core, after, clock.unsafeCurrentTimeMillis()) > clock.unsafeCurrentTimeMillis()
            ? Effect.succeed(false)
            : Effect.map(port.isInUse?.(peerId) ?? Effect.succeed(false), (isInUse) => !isInUse)
        )
      }),
    addHints: (hints) => {
      const fresh = hints.filter((hint) => !core.hints.includes(hint))
      return fresh.length === 0
        ? Effect.void
        : store.transaction(
            Effect.sync(() => {
              core.staged.hints = [...core.hints, ...fresh].slice(-16)
            }),
            participant
          )
    }
  }
  return actor
})

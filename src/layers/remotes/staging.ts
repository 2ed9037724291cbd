import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { OutcomeUnknownError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { StoreUnavailableError } from "../../errors/StoreError.ts"
import { andThen } from "../../internal/atOnce.ts"
import * as Expiry from "../../protocol/Expiry.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import * as Senders from "../../protocol/Senders.ts"
import type {
  DeadLetterReason,
  Participant,
  PendingMessage,
  RemoteRecord,
  RemoteStore
} from "../../services/RemoteStore.ts"
import type { Conversation, Unacknowledged, Waiter } from "./Conversation.ts"
import { makeConversation } from "./Conversation.ts"
import type { Core, Staged, StagedDeadline } from "./Core.ts"
import { firstRecord, nothingStaged } from "./Core.ts"
import { beginConversation } from "./settling.ts"
import * as Outbox from "./Outbox.ts"

type Store = RemoteStore["Type"]

/** The number that the staged body at `index` gets; one past the last gives the next number. */
const numberAt = (core: Core, index: number): number => {
  const {
    staged: { ending },
    window
  } = core
  if (ending?.epoch !== undefined && index >= ending.buried) return 1 + index - ending.buried
  return window.next + index
}

/** What the record will say once the open transaction has committed. */
const stagedRecord = (core: Core, activeAt: number): RemoteRecord => {
  const { staged, window } = core
  const { ending } = staged
  const nextSeq = numberAt(core, staged.bodies.length)
  const shared = {
    peerId: core.peerId,
    hints: staged.hints ?? core.hints,
    incarnationId: staged.incarnationId ?? core.incarnationId,
    ownIncarnationId: core.ownIncarnationId,
    activeAt,
    nextSeq
  }
  if (ending?.epoch !== undefined) return { ...firstRecord(core.peerId), ...shared, epoch: ending.epoch }
  // With a channel open the message may leave right after the commit, so what may have been sent is known only by now.
  const sentSeq = core.channel === undefined ? window.sent : nextSeq - 1
  const { received, receivedFrom } = core
  const { from, seq } = staged.received ?? { seq: received, from: receivedFrom }
  return {
    ...shared,
    epoch: core.epoch,
    sentSeq,
    acknowledgedSeq: window.settled,
    baseSeq: ending === undefined ? Math.max(window.base, window.settled + 1) : numberAt(core, ending.buried),
    receivedSeq: seq,
    senders: Senders.extend(core.senders, core.process, {
      settled: window.settled,
      sent: window.sent,
      through: sentSeq
    }),
    receivedFrom: from
  }
}

const noDeadlines: ReadonlyMap<number, number> = new Map()

/** Those of the staged bodies that the store has not been given yet; it is to be given them now. */
const takeStagedBodies = (core: Core): Array<PendingMessage> => {
  const { bodies, deadlines, written } = core.staged
  const messages: Array<PendingMessage> = []
  if (written === bodies.length) return messages
  const expiresAt = deadlines.length === 0 ? noDeadlines : new Map(deadlines.map((it) => [it.index, it.expiresAt]))
  for (let index = written; index < bodies.length; index += 1) {
    const body = bodies[index]
    if (body !== undefined) messages.push({ seq: numberAt(core, index), body, expiresAt: expiresAt.get(index) })
  }
  core.staged.written = bodies.length
  return messages
}

/** Up to which number what is settled is to be removed, because it was delivered; undefined if it is removed already. */
const removableThrough = ({ removed, window }: Core): number | undefined =>
  window.settled <= removed ? undefined : window.settled

/** `window` is what the store was rid of before; what is settled while it counts is counted once more. */
const recount = (core: Core, store: Store, { settled }: SendWindow.SendWindow): Effect.Effect<void, StoreError> =>
  Effect.map(store.countPending(core.peerId), ({ bytes }) => {
    core.staged.after.push(() => {
      core.pendingBytes = bytes
      core.miscounted = core.window.settled !== settled
    })
  })

/** Writes the record together with what is new, and removes what is settled; where the conversation ends, that was done before. */
const writeRecord = (core: Core, store: Store, now: number): Effect.Effect<void, StoreError> => {
  const { staged, window } = core
  const record = stagedRecord(core, now)
  core.activeAt = record.activeAt
  staged.senders = record.senders
  const append = takeStagedBodies(core)
  const removeThrough = staged.ending === undefined ? removableThrough(core) : undefined
  return Effect.flatMap(store.putRemote(record, { append, removeThrough }), () => {
    // Emptied, because what a transaction leaves behind is looked through so late that a backlog would pile up in memory as well.
    append.length = 0
    if (staged.ending !== undefined) return Effect.void
    if (removeThrough !== undefined) {
      staged.after.push(() => {
        core.removed = removeThrough
      })
    }
    return core.miscounted ? recount(core, store, window) : Effect.void
  })
}

const prepare = (core: Core, store: Store, clock: Clock.Clock): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    if (core.gone) return new StoreUnavailableError({ operation: "keep a removed remote", reason: "Closed" })
    const { letters } = core.staged
    const lettersKept = letters.length > 0 ? store.addDeadLetters(letters) : Effect.void
    return andThen(lettersKept, () => writeRecord(core, store, clock.unsafeCurrentTimeMillis()))
  })

/** The messages that are pending now and have a deadline are watched; who waits for one that ended with its conversation is told. */
const commitDeadlines = (core: Core, { deadlines, ending }: Staged): void => {
  const buried = ending?.buried ?? 0
  const { conversation, window } = core
  const begun: Array<Expiry.Deadline> = []
  for (const { expiresAt, index, waiter } of deadlines) {
    if (index < buried && ending !== undefined) Deferred.unsafeDone(waiter, Effect.fail(ending.why))
    if (index < buried) continue
    const seq = window.next + index - buried
    conversation.waiters.set(seq, waiter)
    begun.push({ seq, expiresAt })
  }
  const next = window.next + begun.length
  core.deadlines = Expiry.add(core.deadlines, begun, { next, sent: window.sent })
}

/** Their turn was undone, and with it the messages; to wait for what becomes of them is a mistake. */
const dropDeadlines = (deadlines: ReadonlyArray<StagedDeadline>): void => {
  const defect = Effect.dieMessage("effect-remotes: the message of this receipt was undone with its transaction")
  for (const { waiter } of deadlines) Deferred.unsafeDone(waiter, defect)
}

const commit = (core: Core, wake: () => void): void => {
  const { staged } = core
  const { ending } = staged
  core.staged = nothingStaged()
  core.known = true
  core.incarnationId = staged.incarnationId ?? core.incarnationId
  core.hints = staged.hints ?? core.hints
  core.senders = staged.senders ?? core.senders
  if (staged.received !== undefined) {
    core.received = staged.received.seq
    core.receivedFrom = staged.received.from
  }
  core.refusals.push(...staged.refusals)
  core.echoes = Math.max(0, core.echoes + staged.echoes)
  if (ending !== undefined) beginConversation(core, ending)
  if (staged.deadlines.length > 0) commitDeadlines(core, staged)
  const bodies = ending === undefined ? staged.bodies : staged.bodies.slice(ending.buried)
  bodies.forEach((body, index) => {
    Outbox.append(core.outbox, core.window.next + index, body)
    core.pendingBytes += body.length
  })
  core.window = SendWindow.append(core.window, bodies.length)
  // As in `writeStagedBodies`: nothing that has a place of its own now is to live as long as this.
  bodies.splice(0)
  for (const hook of staged.after) hook()
  wake()
}

const copy = (staged: Staged): (() => Staged) => {
  const { after, bodies, bytes, deadlines, letters, refusals, written } = staged
  const lengths = [bodies.length, letters.length, refusals.length, after.length, deadlines.length] as const
  const { echoes, ending, hints, incarnationId, joined, received, senders } = staged
  return () => ({
    bodies: bodies.slice(0, lengths[0]),
    bytes,
    written: Math.min(written, lengths[0]),
    letters: letters.slice(0, lengths[1]),
    refusals: refusals.slice(0, lengths[2]),
    after: after.slice(0, lengths[3]),
    deadlines: deadlines.slice(0, lengths[4]),
    echoes,
    ending,
    hints,
    incarnationId,
    joined,
    received,
    senders
  })
}

/**
 * Makes a handle's state go with the store's transactions; `wake` runs after each commit.
 *
 * @internal
 */
export const makeParticipant = (core: Core, store: Store, clock: Clock.Clock, wake: () => void): Participant => ({
  // Made when it is needed: few of a kernel's remotes are in a transaction at any time.
  get prepare() {
    return prepare(core, store, clock)
  },
  committed: () => commit(core, wake),
  rolledBack: () => {
    dropDeadlines(core.staged.deadlines)
    core.staged = nothingStaged()
  },
  savepoint: () => {
    const before = copy(core.staged)
    return () => {
      const undone = core.staged.deadlines
      core.staged = before()
      dropDeadlines(undone.slice(core.staged.deadlines.length))
    }
  }
})

/**
 * A message in its place: its number, and the conversation that it belongs to.
 *
 * @internal
 */
export interface Placed {
  readonly seq: number
  readonly conversation: Conversation
  /** Is told what becomes of the message, if it has a deadline. */
  readonly waiter: Waiter | undefined
}

/**
 * Stages a message, which ends at `expiresAt` (ms since the Unix epoch) if it has not been transmitted by then.
 *
 * @internal
 */
export const stageBody = (core: Core, body: Uint8Array, expiresAt?: number): Placed => {
  const { staged } = core
  const index = staged.bodies.push(body) - 1
  staged.bytes += body.length
  const waiter = expiresAt === undefined ? undefined : Deferred.unsafeMake<void, Unacknowledged>(FiberId.none)
  if (expiresAt !== undefined && waiter !== undefined) staged.deadlines.push({ index, expiresAt, waiter })
  return { seq: numberAt(core, index), conversation: staged.ending?.conversation ?? core.conversation, waiter }
}

/**
 * Stages the end of the conversation: everything pending, in the store and in this transaction, becomes dead letters, and no
 * answer to a redemption will come.
 *
 * @internal
 */
export const stageEnding = (
  core: Core,
  store: Store,
  {
    at,
    detail,
    epoch,
    reason,
    why
  }: {
    readonly why: OutcomeUnknownError
    readonly reason: DeadLetterReason
    readonly detail: string
    /** The epoch that begins, or undefined when the present one goes on. */
    readonly epoch: number | undefined
    readonly at: number
  }
): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const messages = takeStagedBodies(core)
    if (messages.length > 0) yield* store.appendPending(core.peerId, messages)
    // Not noted: a conversation in a new epoch has removed nothing yet.
    const removeThrough = removableThrough(core)
    if (removeThrough !== undefined) yield* store.removePending(core.peerId, removeThrough)
    yield* store.buryPending(core.peerId, { epoch: core.epoch, reason, detail, at })
    yield* store.clearRedemptions(core.peerId)
    const conversation = makeConversation(epoch === undefined ? core.window.settled : 0)
    // The reaps that the old conversation asked for say nothing to the new one.
    if (epoch !== undefined) core.staged.echoes = -core.echoes
    core.staged.ending = { why, epoch, buried: core.staged.bodies.length, conversation }
  })

import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import type { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import { ProtocolViolationError } from "../../errors/ConnectionError.ts"
import type { OutcomeUnknownError } from "../../errors/RemoteError.ts"
import { PeerRestartedError, SessionResetError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { HandshakeError } from "../../errors/TransportError.ts"
import type { Deadline } from "../../internal/deadline.ts"
import * as Credit from "../../protocol/Credit.ts"
import * as EarlyMessages from "../../protocol/EarlyMessages.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as HeldLine from "../../protocol/HeldLine.ts"
import * as ReceiveWindow from "../../protocol/ReceiveWindow.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import * as Session from "../../protocol/Session.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import type { KernelPort } from "../../services/KernelPort.ts"
import type { RemoteStore } from "../../services/RemoteStore.ts"
import type { LinkError, LinkEvent } from "../../services/Transport.ts"
import type { OpenChannel, Sequenced } from "./Core.ts"
import { forgetFlight, settle } from "./Core.ts"
import type { Receiver } from "./receiving.ts"
import { passHole, receive } from "./receiving.ts"
import type { Sender } from "./sending.ts"
import { stageEnding } from "./staging.ts"

/**
 * What the reader of a link's events works with.
 *
 * @internal
 */
export interface Converser extends Sender, Receiver {
  readonly wake: () => void
  /** Something changed that people may want to see. */
  readonly notify: () => void
  /** There may be room for more messages. */
  readonly makeRoom: () => void
  /** Passes when something of the peer's has been missing for too long. */
  readonly gapDeadline: Deadline
  /** Passes when settled messages have waited for long enough to be removed from the store. */
  readonly tidy: Deadline
  /** Tells those who wait for the answer to a redemption that none will come. */
  readonly rejectRedemptions: (why: OutcomeUnknownError | NetworkStoppedError) => void
  /** What was taken from the link and comes after what is being worked on. */
  behind: ReadonlyArray<LinkEvent>
  /** Whether the store may get a record of another peer. */
  readonly mayRecord: () => boolean
}

/** How many frames are decoded, and their messages committed, together at most. */
const sliceLength = 256

/** To a peer of the base profile an ACK goes out at once when this many are owed. */
const acksOwedAtOnce = 16

const pauses = Schedule.exponential("100 millis").pipe(Schedule.either(Schedule.spaced("5 seconds")), Schedule.jittered)

/** Tries again for as long as the store does not take it: the line is held, and nothing is lost meanwhile. */
const holdLine = <A>({ core, notify }: Converser, effect: Effect.Effect<A, StoreError>): Effect.Effect<A> =>
  effect.pipe(
    Effect.tapError((error) =>
      Effect.suspend(() => {
        core.held = true
        notify()
        return Effect.logWarning("the store did not take it; trying again", error)
      })
    ),
    Effect.retry(pauses),
    Effect.orDie,
    Effect.tap(() =>
      Effect.sync(() => {
        core.held = false
      })
    )
  )

/** Tells the kernel of the end of a conversation; if it fails on it, the conversation ends all the same. */
export const tellKernel = (
  store: RemoteStore["Type"],
  port: KernelPort["Type"],
  peerId: PeerId,
  why: OutcomeUnknownError
): Effect.Effect<void, StoreError> =>
  Effect.catchAllDefect(store.transaction(port.forget(peerId, why)), (defect) =>
    Effect.logError("the kernel died on being told of a conversation's end", defect)
  )

const applyEnding = (converser: Converser, event: Extract<LinkEvent, { _tag: "Opened" }>) => {
  const { core, participant, port, rejectRedemptions, store } = converser
  const {
    incarnationId,
    verdict: { _tag, epoch }
  } = event
  const { peerId } = core
  const why =
    _tag === "Restarted" ? new PeerRestartedError({ peerId, incarnationId }) : new SessionResetError({ peerId, epoch })
  const reason = _tag === "Restarted" ? "PeerRestarted" : "SessionReset"
  return Effect.zipRight(
    Effect.logWarning(why.message),
    holdLine(
      converser,
      store.transaction(
        Effect.gen(function* () {
          yield* store.enlist(participant)
          const at = yield* Clock.currentTimeMillis
          yield* stageEnding(core, store, { why, reason, detail: why.message, epoch, at })
          core.staged.incarnationId = incarnationId
          core.staged.after.push(() => rejectRedemptions(why))
          yield* tellKernel(store, port, peerId, why)
        })
      )
    )
  )
}

/**
 * The peer remembers what this side removed. To the session this looks as if the store had gone back in time, and what is pending
 * might have been received before; but it was not even transmitted.
 */
const isRenewal = ({ core }: Converser, { verdict }: Extract<LinkEvent, { _tag: "Opened" }>): boolean =>
  core.renewed && core.incarnationId === undefined && verdict._tag === "RolledBack"

const isNews = ({ core }: Converser, { incarnationId, verdict }: Extract<LinkEvent, { _tag: "Opened" }>): boolean =>
  verdict._tag === "Restarted" ? core.incarnationId !== incarnationId : core.epoch < verdict.epoch

/**
 * What the handshake means now. Since then this side may have worked through what the peer had said in a former process: if the peer's
 * store went back in time in between, its statement fitted only what was committed here by then, and its numbers mean something else
 * by now. Of one process that cannot be, and it may have said more on the channel before since it made its statement.
 */
const reconsider = (
  { core, identity }: Converser,
  { process, stated, verdict }: Extract<LinkEvent, { _tag: "Opened" }>
): Session.Verdict => {
  const { epoch, incarnationId, peerProcess, received, window } = core
  if (stated === undefined || verdict._tag !== "Same" || peerProcess === undefined || peerProcess === process) {
    return verdict
  }
  const mine: Session.Statement = {
    incarnationId: identity.incarnationId,
    peerIncarnationId: incarnationId,
    epoch,
    received,
    sent: window.sent,
    acknowledged: window.settled,
    base: Math.max(window.base, window.settled + 1),
    next: window.next
  }
  return Session.settle(mine, stated)
}

/** Puts on record what must be there before anything is transmitted: who the peer is, and what may be sent. */
const recordOpening = (converser: Converser, incarnationId: string) => {
  const { core, participant, store } = converser
  core.incarnationId = incarnationId
  if (!core.known && SendWindow.pending(core.window) === 0) return Effect.void
  return holdLine(converser, store.transaction(store.enlist(participant)))
}

/** What the peer gave up is passed by the first message that comes after it. */
const tellAbandoned = ({ core }: Converser, said: Session.Statement | undefined) => {
  const count = said === undefined ? 0 : Session.abandoned(core.received, said)
  return count === 0 ? Effect.void : Effect.logWarning(`the peer gave up ${count} messages`)
}

const onOpened = (converser: Converser, event: Extract<LinkEvent, { _tag: "Opened" }>) =>
  Effect.gen(function* () {
    const { core, identity, link } = converser
    const { incarnationId, stated, verdict } = event
    const begins = verdict._tag === "First" || isRenewal(converser, event)
    if (!begins && Session.isEnding(verdict) && isNews(converser, event)) {
      yield* applyEnding(converser, event)
      if (stated === undefined) {
        // In the base profile the new life's conversation begins with the next handshake.
        const reason = "the peer lost its memory; the next handshake begins anew"
        return yield* link.drop(event.channel, new HandshakeError({ peerId: core.peerId, reason }))
      }
    }
    const reconsidered = reconsider(converser, event)
    core.peerProcess = event.process
    if (reconsidered._tag !== verdict._tag) {
      yield* applyEnding(converser, { ...event, verdict: reconsidered })
      const reason = "what the peer had said before contradicts what it stated"
      return yield* link.drop(event.channel, new HandshakeError({ peerId: core.peerId, reason }))
    }
    if (begins) core.epoch = verdict.epoch
    const said = stated && Session.carriedOver(verdict, stated, identity.incarnationId)
    const channel: OpenChannel = {
      number: event.channel,
      extended: stated !== undefined,
      writable: false,
      acknowledged: 0,
      ackDue: false,
      rounds: 0,
      base: said?.base ?? 1,
      early: EarlyMessages.empty,
      purse: event.limits && Credit.openPurse(event.limits),
      grants: event.limits && Credit.openGrants(Credit.limitsFor(converser.config.maxMessageSize))
    }
    core.largestFrame = event.limits?.frame ?? Infinity
    core.channel = channel
    yield* tellAbandoned(converser, said)
    yield* recordOpening(converser, incarnationId)
    core.window = SendWindow.open(core.window, said)
    forgetFlight(core)
    if (settle(core)) converser.tidy.armOnce()
    channel.writable = true
    expectAnswer(converser)
    converser.makeRoom()
    converser.wake()
    converser.notify()
  })

interface Read {
  readonly messages: ReadonlyArray<Sequenced>
  readonly repeated: boolean
  readonly violation: string | undefined
}

/** A message of a peer of the base profile: one that is next in line brings along those that only waited for it. */
const arrive = (
  channel: OpenChannel,
  received: number,
  message: Sequenced,
  bytes: number,
  messages: Array<Sequenced>
): ReceiveWindow.Place => {
  const { early, place, taken } = EarlyMessages.arrive(channel.early, received, { seq: message.seq, bytes, message })
  channel.early = early
  messages.push(...taken)
  return place
}

/** Takes a grant of room; says what is wrong with it, if anything is. */
const takeCredit = (channel: OpenChannel, to: Credit.Amount): string | undefined => {
  const purse = channel.purse && Credit.grant(channel.purse, to)
  if (purse === undefined) return "a grant of room that was not agreed on"
  if (Either.isLeft(purse)) return purse.left
  channel.purse = purse.right
  return undefined
}

/** A message takes up room until it is taken. */
const noteArrival = (channel: OpenChannel, bytes: number): string | undefined => {
  const grants = channel.grants && Credit.arrive(channel.grants, { messages: 1, bytes })
  if (grants === undefined) return undefined
  if (Either.isLeft(grants)) return grants.left
  channel.grants = grants.right
  return undefined
}

/** Decodes frames, takes their ACKs, and picks the messages that are next in line. */
const read = ({ core }: Converser, channel: OpenChannel, frames: ReadonlyArray<Uint8Array>): Read => {
  const messages: Array<Sequenced> = []
  let repeated = false
  for (const frame of frames) {
    const decoded = WireMessage.decode(frame)
    if (Either.isLeft(decoded)) return { messages, repeated, violation: decoded.left }
    const message = decoded.right
    if (message._tag === "Handshake") continue
    if (message._tag === "Credit") {
      const objection = takeCredit(channel, message.to)
      if (objection !== undefined) return { messages, repeated, violation: objection }
      continue
    }
    if (message.ack > core.window.acknowledged) {
      const window = SendWindow.acknowledge(core.window, message.ack)
      if (Either.isLeft(window)) return { messages, repeated, violation: window.left }
      core.window = window.right
    }
    if (message._tag === "Ack") continue
    const tooMuch = noteArrival(channel, frame.length)
    if (tooMuch !== undefined) return { messages, repeated, violation: tooMuch }
    const received = messages.at(-1)?.seq ?? core.received
    const place = channel.extended
      ? ReceiveWindow.place(received, message.seq, channel.base)
      : arrive(channel, received, message, frame.length, messages)
    if (place === "duplicate") repeated = true
    if (!channel.extended || place === "duplicate") continue
    if (place === "early") {
      return { messages, repeated, violation: `message ${message.seq} came before message ${received + 1}` }
    }
    messages.push(message)
  }
  return { messages, repeated, violation: undefined }
}

/**
 * Tells the link whether the peer owes an answer: to what is on its way, or to a redemption that it has taken.
 *
 * @internal
 */
export const expectAnswer = ({ core, link, redemptions }: Converser): void => {
  const { channel, window } = core
  if (channel?.extended !== true) return
  link.expect(channel.number, SendWindow.inFlight(window) > 0 || redemptions.isAwaited())
}

const noteProgress = (converser: Converser, channel: OpenChannel): void => {
  const { ackDeadline, core } = converser
  channel.rounds = 0
  if (channel.extended) expectAnswer(converser)
  else if (SendWindow.inFlight(core.window) > 0) ackDeadline.arm()
  else ackDeadline.disarm()
}

const oweAck = ({ core, delayedAck, wake }: Converser, repeated: boolean): void => {
  const { channel } = core
  if (channel === undefined) return
  const owed = core.received - channel.acknowledged
  if (channel.extended || repeated || owed >= acksOwedAtOnce) channel.ackDue = true
  else if (owed > 0) delayedAck.armOnce()
  wake()
}

/**
 * Settles what can be settled, and sees to what follows from it.
 *
 * @internal
 */
export const settleNow = (converser: Converser, said?: HeldLine.Said): void => {
  if (!settle(converser.core, said?.arrived, said?.through)) return
  converser.tidy.armOnce()
  converser.makeRoom()
  converser.notify()
}

const framesBehind = function* ({ behind, link }: Converser, channel: OpenChannel): Generator<Uint8Array> {
  for (const events of [behind, link.peek()]) {
    for (const event of events) {
      if (event._tag !== "Frames" || event.channel !== channel.number) return
      yield* event.frames
    }
  }
}

/** The line is held, but the ACKs in it count: the kernel may be busy for want of the room that they make. */
const takeAcksBehind = (converser: Converser, waiting: ReadonlyArray<Sequenced>): void => {
  const { core, wake } = converser
  const { channel, window } = core
  if (channel === undefined) return
  const said = HeldLine.listen(core.received, waiting, framesBehind(converser, channel))
  if (said.credit !== undefined) takeCredit(channel, said.credit)
  // One of what was never sent is objected to in its turn.
  core.window = Either.getOrElse(SendWindow.acknowledge(window, said.ack), () => window)
  if (core.window.acknowledged > window.acknowledged) noteProgress(converser, channel)
  settleNow(converser, said)
  if (said.through < Infinity) core.window = SendWindow.awaitVerdicts(core.window, said.arrived)
  wake()
}

const isLostBehind = ({ behind, link }: Converser, channel: OpenChannel): boolean =>
  [behind, link.peek()].some((events) =>
    events.some((event) => event._tag === "Lost" && event.channel === channel.number)
  )

/**
 * Takes messages until none is left; while the kernel is busy, the line is held. Gives whether all were taken: what waits when
 * its channel is lost is let go, because it comes again on the next one, which has to be opened meanwhile.
 */
const receiveAll = (converser: Converser, channel: OpenChannel, messages: ReadonlyArray<Sequenced>) =>
  Effect.gen(function* () {
    const { core } = converser
    let left = messages
    let pause = Duration.millis(50)
    while (left.length > 0) {
      const count = yield* holdLine(converser, receive(converser, left))
      left = left.slice(count)
      oweAck(converser, false)
      converser.notify()
      if (left.length === 0) return true
      core.held = true
      takeAcksBehind(converser, left)
      pause = count > 0 ? Duration.millis(50) : Duration.min(Duration.times(pause, 2), Duration.seconds(5))
      yield* Effect.sleep(pause)
      core.held = false
      if (isLostBehind(converser, channel)) return false
    }
    return true
  })

/** A stranger's first message decides whether it becomes a remote. */
const strangerViolation = ({ core, mayRecord }: Converser, messages: ReadonlyArray<Sequenced>): string | undefined => {
  if (core.known || messages.length === 0) return undefined
  if (messages[0]?.content._tag === "Malformed") return "a stranger's first message makes no sense"
  return mayRecord() ? undefined : "there is no room for another remote"
}

/** Has the deadline for what is missing run as long as it is, from when it was noticed or anything was taken last. */
const watchGap = ({ core, gapDeadline }: Converser, channel: OpenChannel, tookAny: boolean) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    if (core.channel !== channel) return
    const { since } = channel.early
    channel.early = EarlyMessages.wait(channel.early, now, tookAny)
    if (channel.early.since === undefined) gapDeadline.disarm()
    else if (channel.early.since !== since) gapDeadline.arm()
  })

/** Ends a channel whose peer does what it must not. */
const hangUp = ({ core, link }: Converser, channel: OpenChannel, reason: string) =>
  Effect.gen(function* () {
    const error = new ProtocolViolationError({ peerId: core.peerId, reason })
    core.hungUp = channel.number
    yield* Effect.logWarning(error.message)
    yield* link.drop(channel.number, error)
  })

const onSlice = (converser: Converser, channel: OpenChannel, frames: ReadonlyArray<Uint8Array>) =>
  Effect.gen(function* () {
    const { core } = converser
    const { acknowledged } = core.window
    const wasWaiting = channel.early.since !== undefined
    const { messages, repeated, violation } = read(converser, channel, frames)
    if (core.window.acknowledged > acknowledged) noteProgress(converser, channel)
    const objection = strangerViolation(converser, messages)
    if (objection === undefined && !(yield* receiveAll(converser, channel, messages))) return false
    channel.grants = channel.grants && Credit.take(channel.grants)
    if (repeated) oweAck(converser, true)
    settleNow(converser)
    converser.wake()
    const reason = objection ?? violation
    if (reason !== undefined) yield* hangUp(converser, channel, reason)
    else if (wasWaiting || channel.early.held.length > 0) yield* watchGap(converser, channel, messages.length > 0)
    return reason === undefined
  })

const onFrames = (converser: Converser, event: Extract<LinkEvent, { _tag: "Frames" }>) =>
  Effect.gen(function* () {
    const { channel: number, frames } = event
    const { behind } = converser
    for (let from = 0; from < frames.length; from += sliceLength) {
      const { channel } = converser.core
      if (channel?.number !== number) return
      converser.behind = [{ ...event, frames: frames.slice(from + sliceLength) }, ...behind]
      if (!(yield* onSlice(converser, channel, frames.slice(from, from + sliceLength)))) {
        converser.core.channel = undefined
        return
      }
    }
  })

/** Something may have been missing for too long: then it is passed as lost, on record, and what came after it is taken. */
const onReminded = (converser: Converser, number: number) =>
  Effect.gen(function* () {
    const { config, core } = converser
    const { channel } = core
    if (channel?.number !== number) return
    const now = yield* Clock.currentTimeMillis
    const passed = EarlyMessages.pass(channel.early, core.received, now, Duration.toMillis(config.gapTimeout))
    if (passed === undefined) return
    const objection = strangerViolation(converser, passed.taken)
    if (objection !== undefined) {
      core.channel = undefined
      return yield* hangUp(converser, channel, objection)
    }
    channel.early = passed.early
    yield* holdLine(converser, passHole(converser, passed.hole))
    if (yield* receiveAll(converser, channel, passed.taken)) yield* watchGap(converser, channel, true)
    else core.channel = undefined
  })

const onLost = (converser: Converser, number: number, error: LinkError) =>
  Effect.suspend(() => {
    const { ackDeadline, core, delayedAck, gapDeadline, link, notify } = converser
    if (core.channel?.number === number) core.channel = undefined
    if (core.hungUp === number) core.hungUp = undefined
    if (core.channel === undefined) {
      ackDeadline.disarm()
      delayedAck.disarm()
      gapDeadline.disarm()
      forgetFlight(core)
    }
    notify()
    return SendWindow.pending(core.window) > 0 && error._tag === "StreamInactivityTimeoutError"
      ? link.want
      : Effect.void
  })

/** Frames of one channel that came in several pieces are worked on together. */
const join = (events: ReadonlyArray<LinkEvent>): ReadonlyArray<LinkEvent> => {
  const joined: Array<LinkEvent> = []
  let frames: Array<Uint8Array> = []
  for (const event of events) {
    const last = joined.at(-1)
    if (event._tag !== "Frames") joined.push(event)
    else if (last?._tag === "Frames" && last.channel === event.channel) frames.push(...event.frames)
    else {
      frames = [...event.frames]
      joined.push({ ...event, frames })
    }
  }
  return joined
}

/**
 * Works through what a link tells, in order.
 *
 * @internal
 */
export const converse = (converser: Converser, events: ReadonlyArray<LinkEvent>): Effect.Effect<void> => {
  const joined = join(events)
  return Effect.forEach(
    joined,
    (event, index) => {
      converser.behind = joined.slice(index + 1)
      switch (event._tag) {
        case "Opened":
          return onOpened(converser, event)
        case "Frames":
          return onFrames(converser, event)
        case "Reminded":
          return onReminded(converser, event.channel)
        case "Lost":
          return onLost(converser, event.channel, event.error)
      }
    },
    { discard: true }
  )
}

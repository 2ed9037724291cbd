import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Amount } from "../../protocol/Credit.ts"
import * as Credit from "../../protocol/Credit.ts"
import * as Expiry from "../../protocol/Expiry.ts"
import * as Frame from "../../protocol/Frame.ts"
import * as ReceiveWindow from "../../protocol/ReceiveWindow.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import { StoreCorruptError, type StoreError } from "../../errors/StoreError.ts"
import { AckTimeoutError } from "../../errors/TransportError.ts"
import { isDone } from "../../internal/atOnce.ts"
import type { Deadline } from "../../internal/deadline.ts"
import type { Participant, RemoteStore } from "../../services/RemoteStore.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Link, LinkError } from "../../services/Transport.ts"
import type { Core, OpenChannel } from "./Core.ts"
import { noteTransmitted, rewindFlight } from "./flight.ts"
import * as Outbox from "./Outbox.ts"
import type { Pacer } from "./pacing.ts"
import { endTooLarge, frameLimit, isNextTooLarge } from "./tooLarge.ts"

/** How much may be on its way, unacknowledged; half of what the receiving link has room for. */
const maxInFlight = 16_384
const maxBytesInFlight = 4 * 1_048_576

/** How much is read from the store at once. */
const slice = { maxMessages: 4096, maxBytes: 1_048_576 }

/**
 * How often a lone ACK lets all other fibers go first. A kernel often sends at once upon what it received, which takes a turn or
 * two to be committed, and as many again where the kernel has a queue of its own; then the ACK goes along with that, and saves both
 * sides a write.
 */
const ackPatience = 4

/** How often everything unacknowledged is sent again to a peer of the base profile before its channel is given up. */
const maxResends = 3

/**
 * @internal
 */
export interface Sender {
  readonly core: Core
  readonly link: Link
  readonly store: RemoteStore["Type"]
  readonly config: Options
  readonly clock: Clock.Clock
  readonly pacer: Pacer
  readonly participant: Participant
  /** Passes when a peer of the base profile acknowledged nothing for half of the ACK timeout. */
  readonly ackDeadline: Deadline
  /** Something may be settled although the peer has said nothing: there was nothing to write for it. */
  readonly settleNow: () => void
  /** Passes when an ACK has been owed for long enough. */
  readonly delayedAck: Deadline
}

/** Which ACK may go with everything below `cursor` transmitted; 0 if there is nothing to acknowledge. */
const ackFor = (core: Core, cursor: number): number =>
  ReceiveWindow.acknowledgeable(core.received, core.refusals, cursor)

/**
 * The ACK that goes with messages. While something of the peer's is missing, one that says nothing new is left out: an
 * ocap-kernel might take it for progress, and put off the resend that brings what is missing.
 */
const ridingAck = (core: Core, channel: OpenChannel, cursor: number): number => {
  const ack = ackFor(core, cursor)
  return channel.early.held.length > 0 && ack <= channel.acknowledged ? 0 : ack
}

const noteAck = (sender: Sender, channel: OpenChannel, ack: number): void => {
  channel.acknowledged = Math.max(channel.acknowledged, ack)
  channel.ackDue = false
  sender.delayedAck.disarm()
}

/** What was never transmitted waits while some of it has to end. */
const mayTransmitBelow = (core: Core, now: number): number =>
  Expiry.isDue(core.deadlines, core.window.sent, now) ? core.window.sent + 1 : core.heldFrom

/** Where no room is granted, what is not acknowledged takes it up; the last message may take more bytes than are left. */
const unacknowledgedRoom = (core: Core): Amount => ({
  messages: maxInFlight - SendWindow.inFlight(core.window),
  bytes: core.bytesInFlight >= maxBytesInFlight ? 0 : Infinity
})

const room = (core: Core, channel: OpenChannel, now: number): Amount => {
  const { bytes, messages } = channel.purse === undefined ? unacknowledgedRoom(core) : Credit.left(channel.purse)
  const waiting = Math.min(SendWindow.untransmitted(core.window), mayTransmitBelow(core, now) - core.window.cursor)
  return { bytes, messages: bytes === 0 ? 0 : Math.min(messages, waiting) }
}

/** Reads what comes next back from the store. Whether it did; not if the world has changed meanwhile. */
const load = ({ core, store }: Sender, channel: OpenChannel) =>
  Effect.gen(function* () {
    const { cursor } = core.window
    const { conversation, expiries } = core
    const messages = yield* store.readPending(core.peerId, { fromSeq: cursor, ...slice })
    if (core.channel !== channel || core.window.cursor !== cursor || core.conversation !== conversation) return
    if (core.expiries !== expiries) return
    if (messages[0]?.seq !== cursor) {
      const reason = `message ${cursor} is missing`
      return yield* new StoreCorruptError({ where: `what is pending for ${core.peerId}`, reason })
    }
    Outbox.replace(core.outbox, messages)
  })

const transmit = (sender: Sender, channel: OpenChannel, room: Amount) => {
  const { core, link } = sender
  const { cursor: from, sent } = core.window
  const write = Outbox.write(core.outbox, from, {
    room,
    maxFrame: frameLimit(channel),
    ackOf: (through) => ridingAck(core, channel, through + 1),
    tells: channel.extended
  })
  core.resent += Math.max(0, Math.min(write.through, sent) - from + 1)
  noteTransmitted(core, from, write.sizes)
  core.window = SendWindow.transmit(core.window, write.through)
  if (write.skipped.length > 0) {
    core.skipped.push(...write.skipped)
    sender.settleNow()
  }
  if (write.frames.length === 0) return Effect.void
  if (channel.purse !== undefined) channel.purse = Credit.spend(channel.purse, write.amount)
  noteAck(sender, channel, ackFor(core, core.window.cursor))
  if (channel.extended) link.expect(channel.number, true)
  else sender.ackDeadline.armOnce()
  sender.pacer.charge(write.amount.messages)
  return link.sendNow(channel.number, write.frames)
}

const creditDue = ({ grants }: OpenChannel): Amount | undefined => grants && Credit.due(grants)

/** ACKs and grants take up no room, so that a full window never stops what empties it. */
const sayWhatIsDue = (sender: Sender, channel: OpenChannel) => {
  const frames: Array<Uint8Array> = []
  if (channel.ackDue) {
    const ack = ackFor(sender.core, sender.core.window.cursor)
    noteAck(sender, channel, ack)
    if (ack > 0) frames.push(WireMessage.encodeAck(ack))
  }
  const to = creditDue(channel)
  if (to !== undefined) {
    channel.grants = channel.grants && Credit.issue(channel.grants, to)
    frames.push(WireMessage.encodeCredit(to))
  }
  return frames.length === 0 ? Effect.void : sender.link.sendNow(channel.number, Frame.encode(frames))
}

const orLater = (work: Effect.Effect<void, StoreError>, problem: string) =>
  Effect.catchAll(work, (error) => Effect.zipRight(Effect.logError(problem, error), Effect.sleep("1 second")))

const loadNext = (sender: Sender, channel: OpenChannel) => orLater(load(sender, channel), "cannot read what is pending")

const skipTooLarge = (sender: Sender, channel: OpenChannel) =>
  orLater(endTooLarge(sender.core, channel, sender), "messages that are too large for the peer cannot be ended yet")

const onFailure = () => Effect.void

/**
 * Writes until there is nothing to write or no room for it; called again whenever that may have changed. A write that fails
 * ends it: the link tells of the loss, and the next channel begins with what the peer lacks. It begins when it is called.
 *
 * @internal
 */
export const flush = (sender: Sender): Effect.Effect<void> => {
  const { clock, core } = sender
  let patience = ackPatience
  const next = (): Effect.Effect<void, LinkError> | undefined => {
    const { channel } = core
    if (channel === undefined || !channel.writable) return undefined
    const free = room(core, channel, clock.unsafeCurrentTimeMillis())
    const messages = Math.min(free.messages, sender.pacer.allowance())
    if (messages < free.messages) sender.pacer.wakeLater()
    if (creditDue(channel) !== undefined) return sayWhatIsDue(sender, channel)
    if (messages > 0 && !Outbox.has(core.outbox, core.window.cursor)) return loadNext(sender, channel)
    if (messages > 0 && isNextTooLarge(core, channel)) return skipTooLarge(sender, channel)
    if (messages > 0 && Outbox.fits(core.outbox, core.window.cursor, free))
      return transmit(sender, channel, { ...free, messages })
    if (!channel.ackDue) return undefined
    patience -= 1
    return patience < 0 ? sayWhatIsDue(sender, channel) : Effect.yieldNow()
  }
  const goOn = (): Effect.Effect<void> => {
    for (let work = next(); work !== undefined; work = next()) {
      if (!isDone(work)) return Effect.matchEffect(work, { onFailure, onSuccess: goOn })
    }
    return Effect.void
  }
  return goOn()
}

const giveUpChannel = ({ config, core, link }: Sender, channel: OpenChannel) =>
  link.drop(
    channel.number,
    new AckTimeoutError({
      peerId: core.peerId,
      timeout: config.ackTimeout,
      lowestUnacknowledged: SendWindow.lowestUnacknowledged(core.window)
    })
  )

/** A peer of the base profile may have failed on the message, or have lost it: it gets everything again. */
const resend = (sender: Sender, channel: OpenChannel, wake: () => void) => {
  channel.rounds += 1
  sender.ackDeadline.arm()
  if (channel.rounds % 2 === 1) return Effect.void
  if (channel.rounds > 2 * maxResends) return giveUpChannel(sender, channel)
  return Effect.sync(() => {
    const { core } = sender
    core.window = SendWindow.rewind(core.window)
    rewindFlight(core)
    wake()
  })
}

/**
 * What happens when a peer of the base profile acknowledged nothing for half of the ACK timeout. One of ours is asked by the
 * link whether it is there; as long as it is, its kernel may take its time.
 *
 * @internal
 */
export const onAckDeadline = (sender: Sender, wake: () => void): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { channel, window } = sender.core
    return channel === undefined || channel.extended || SendWindow.inFlight(window) === 0
      ? Effect.void
      : resend(sender, channel, wake)
  })

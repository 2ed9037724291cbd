import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Frame from "../../protocol/Frame.ts"
import * as ReceiveWindow from "../../protocol/ReceiveWindow.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import { StoreCorruptError } from "../../errors/StoreError.ts"
import { AckTimeoutError } from "../../errors/TransportError.ts"
import type { Deadline } from "../../internal/deadline.ts"
import type { RemoteStore } from "../../services/RemoteStore.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Link } from "../../services/Transport.ts"
import type { Core, OpenChannel } from "./Core.ts"
import { noteTransmitted, rewindFlight } from "./Core.ts"
import * as Outbox from "./Outbox.ts"

/** How much may be on its way, unacknowledged; half of what the receiving link has room for. */
const maxInFlight = 16_384
const maxBytesInFlight = 4 * 1_048_576

/** How much is read from the store at once. */
const slice = { maxMessages: 4096, maxBytes: 1_048_576 }

/**
 * How often a lone ACK lets all other fibers go first. A kernel often sends at once upon what it received, which takes a few
 * steps to be committed; then the ACK goes along with that, and saves both sides a write.
 */
const ackPatience = 16

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
  /** Passes when nothing was acknowledged for half of the ACK timeout. */
  readonly ackDeadline: Deadline
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

const room = (core: Core): number =>
  core.bytesInFlight >= maxBytesInFlight
    ? 0
    : Math.min(SendWindow.untransmitted(core.window), maxInFlight - SendWindow.inFlight(core.window))

/** Reads what comes next back from the store. Whether it did; not if the world has changed meanwhile. */
const load = ({ core, store }: Sender, channel: OpenChannel) =>
  Effect.gen(function* () {
    const { cursor } = core.window
    const { conversation } = core
    const messages = yield* store.readPending(core.peerId, { fromSeq: cursor, ...slice })
    if (core.channel !== channel || core.window.cursor !== cursor || core.conversation !== conversation) return
    if (messages[0]?.seq !== cursor) {
      const reason = `message ${cursor} is missing`
      return yield* new StoreCorruptError({ where: `what is pending for ${core.peerId}`, reason })
    }
    Outbox.replace(core.outbox, messages)
  })

const transmit = (sender: Sender, channel: OpenChannel, most: number) => {
  const { core, link } = sender
  const { sent } = core.window
  const write = Outbox.write(core.outbox, core.window.cursor, most, (through) => ridingAck(core, channel, through + 1))
  core.resent += Math.max(0, Math.min(write.through, sent) - core.window.cursor + 1)
  noteTransmitted(core, core.window.cursor, write.sizes)
  core.window = SendWindow.transmit(core.window, write.through)
  noteAck(sender, channel, ackFor(core, core.window.cursor))
  sender.ackDeadline.armOnce()
  return link.send(channel.number, write.frames)
}

const acknowledge = (sender: Sender, channel: OpenChannel) => {
  const ack = ackFor(sender.core, sender.core.window.cursor)
  noteAck(sender, channel, ack)
  return ack === 0 ? Effect.void : sender.link.send(channel.number, Frame.encode([WireMessage.encodeAck(ack)]))
}

/**
 * Writes until there is nothing to write or no room for it; called again whenever that may have changed. A write that fails
 * ends it: the link tells of the loss, and the next channel begins with what the peer lacks.
 *
 * @internal
 */
export const flush = (sender: Sender): Effect.Effect<void> => {
  const { core } = sender
  let patience = ackPatience
  const turn: Effect.Effect<void> = Effect.suspend(() => {
    const { channel } = core
    if (channel === undefined || !channel.writable) return Effect.void
    const most = room(core)
    if (most > 0) {
      return Outbox.has(core.outbox, core.window.cursor)
        ? Effect.matchEffect(transmit(sender, channel, most), { onFailure: () => Effect.void, onSuccess: () => turn })
        : Effect.zipRight(
            Effect.catchAll(load(sender, channel), (error) =>
              Effect.zipRight(Effect.logError("cannot read what is pending", error), Effect.sleep("1 second"))
            ),
            turn
          )
    }
    if (!channel.ackDue) return Effect.void
    if (patience > 0) {
      patience -= 1
      return Effect.zipRight(Effect.yieldNow(), turn)
    }
    return Effect.matchEffect(acknowledge(sender, channel), { onFailure: () => Effect.void, onSuccess: () => turn })
  })
  return turn
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

/** Half an ACK timeout has passed: ask the peer; after the other half, its answer decides. */
const probe = (sender: Sender, channel: OpenChannel, now: number) => {
  const { ackDeadline, link } = sender
  if (channel.probedAt !== undefined && link.heardAt() < channel.probedAt) return giveUpChannel(sender, channel)
  // The peer lives, so its kernel is busy: its channel is as good as any.
  const again = channel.probedAt === undefined
  channel.probedAt = again ? now : undefined
  ackDeadline.arm()
  return again ? Effect.ignore(link.probe(channel.number)) : Effect.void
}

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
 * What happens when nothing was acknowledged for half of the ACK timeout.
 *
 * @internal
 */
export const onAckDeadline = (sender: Sender, wake: () => void): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { channel, window } = sender.core
    if (channel === undefined || SendWindow.inFlight(window) === 0) return Effect.void
    return channel.extended ? probe(sender, channel, now) : resend(sender, channel, wake)
  })

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../errors/StoreError.ts"
import { UnknownOcapUrlError } from "../../errors/IdentityError.ts"
import { DeliveryRejectedError } from "../../errors/RemoteError.ts"
import type { Delivery } from "../../protocol/Delivery.ts"
import * as Room from "../../protocol/Room.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import { andThen, isDone, made } from "../../internal/atOnce.ts"
import type { Hole } from "../../protocol/EarlyMessages.ts"
import type { DeliveryRefused, KernelBusy, KernelPort } from "../../services/KernelPort.ts"
import type { RemoteIdentity } from "../../services/RemoteIdentity.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { DeadLetterReason, Participant, RemoteStore } from "../../services/RemoteStore.ts"
import { noteRefusal } from "./Conversation.ts"
import type { Core, OpenChannel, Sequenced } from "./Core.ts"
import { expectEcho } from "./echoes.ts"
import type { Redemptions } from "./redemptions.ts"
import { stageBody } from "./staging.ts"

/**
 * @internal
 */
export interface Receiver {
  readonly core: Core
  readonly store: RemoteStore["Type"]
  readonly port: KernelPort["Type"]
  readonly identity: RemoteIdentity["Type"]
  readonly participant: Participant
  readonly config: Options
  readonly redemptions: Pick<Redemptions, "answer" | "isAwaited" | "reject">
}

interface Refused {
  readonly code: string
  readonly reason: string
  readonly letter: DeadLetterReason
}

const emptyBody = new Uint8Array(0)

const keepLetter = ({ core }: Receiver, message: Sequenced, refused: Refused) =>
  Effect.map(Clock.currentTimeMillis, (at) => {
    const { content, seq } = message
    core.staged.letters.push({
      peerId: core.peerId,
      direction: "inbound",
      epoch: core.epoch,
      seq,
      body: content._tag === "Malformed" ? emptyBody : WireMessage.encodeBody(content),
      reason: refused.letter,
      detail: `${refused.code}: ${refused.reason}`.slice(0, 1024),
      at
    })
  })

/** How much of a refusal's wording is told to the peer, in UTF-16 code units. */
const maxReason = 1024

/** The smallest frame that a kernel can be configured to take at most. A refusal must not be too large for its peer. */
const smallestFrame = 4096

const encodeRefusal = (target: number, code: string, reason: string): Uint8Array => {
  const body = WireMessage.encodeBody({ _tag: "Rejected", seq: target, code, reason })
  // Characters that JSON escapes take up to six bytes each.
  return WireMessage.largestFrame(body.length) <= smallestFrame
    ? body
    : WireMessage.encodeBody({ _tag: "Rejected", seq: target, code, reason: reason.slice(0, maxReason / 2) })
}

const tellPeer = ({ core }: Receiver, target: number, { code, reason }: Refused): void => {
  if (core.channel?.extended !== true) return
  const { seq: reply } = stageBody(core, encodeRefusal(target, code.slice(0, 128), reason.slice(0, maxReason)))
  core.staged.refusals.push({ reply, target })
}

/** What a handler dies with may hold anything, so the peer is told no more than that it did. */
const handlerFailed: Refused = {
  code: "HandlerFailed",
  reason: "the kernel failed on the message",
  letter: "HandlerFailed"
}

/** Runs the kernel in a savepoint; a refusal or a defect undoes what it did and nothing else. */
const offer = <A, B, E>(
  { store }: Receiver,
  work: Effect.Effect<A, DeliveryRefused | KernelBusy>,
  then: {
    readonly taken: (value: A) => Effect.Effect<B, E>
    readonly refused: (refused: Refused) => Effect.Effect<B, E>
  }
): Effect.Effect<B, KernelBusy | StoreError | E> =>
  Effect.matchCauseEffect(store.transaction(work), {
    onSuccess: then.taken,
    onFailure: (cause): Effect.Effect<B, KernelBusy | StoreError | E> => {
      if (Cause.isInterrupted(cause)) return Effect.failCause(Cause.stripFailures(cause))
      const failure = Option.getOrUndefined(Cause.failureOption(cause))
      if (failure === undefined) {
        return Effect.zipRight(Effect.logError("the kernel's handler died", cause), then.refused(handlerFailed))
      }
      return failure._tag === "DeliveryRefused"
        ? then.refused({ code: failure.code, reason: failure.reason, letter: "RejectedHere" })
        : Effect.fail(failure)
    }
  })

const refuse = (receiver: Receiver, message: Sequenced, refused: Refused) => {
  tellPeer(receiver, message.seq, refused)
  return keepLetter(receiver, message, refused)
}

/**
 * Whether so much waits for the peer already that no answer is added to it. An honest peer takes its answers: what it asks
 * beyond this is consumed in silence, and it has a deadline. Holding the line instead could have two kernels wait for each other.
 */
const isOverloaded = ({ config, core }: Receiver): boolean =>
  SendWindow.pending(core.window) + core.staged.bodies.length >= Room.hardLimits(config, "kernel").messages

/**
 * Whether so many refusals wait for the peer that nothing more of it is taken until it has seen some. An honest peer has at most
 * as many messages on their way as it may have pending, and so never comes near.
 */
const mustWait = ({ config, core }: Receiver): boolean => {
  const waiting = core.refusals.length + core.staged.refusals.length
  return waiting > 0 && waiting >= 2 * Room.hardLimits(config, "kernel").messages
}

/** A peer that may be guessing is not told whether a URL was ever good. */
const badReference = new UnknownOcapUrlError({ reason: "BadReference" }).message

const answerRedemption = (receiver: Receiver, url: string, replyKey: string) => {
  const { core, identity, port } = receiver
  const reply = (ok: boolean, value: string) =>
    stageBody(core, WireMessage.encodeBody({ _tag: "RedeemUrlReply", ok, replyKey, value }))
  return Effect.matchEffect(identity.redeemOcapUrl(url), {
    onFailure: (error) =>
      error._tag === "StoreUnavailableError" || error._tag === "StoreCorruptError"
        ? Effect.fail(error)
        : Effect.sync(() => void reply(false, badReference)),
    onSuccess: (reference) =>
      offer(receiver, port.redeem(core.peerId, reference), {
        refused: ({ reason }) => Effect.sync(() => void reply(false, reason)),
        taken: (given) => Effect.sync(() => void reply(true, given))
      })
  })
}

/** The highest number of ours that was refused, in the open transaction or before it. */
const refusedThrough = ({ conversation, staged }: Core): number =>
  Math.max(conversation.refusedThrough, staged.letters.findLast(({ reason }) => reason === "RejectedByPeer")?.seq ?? 0)

/** Our message was refused: its body moves from what is pending to the dead letters. */
const noteRejected = (
  { core, store }: Receiver,
  { code, reason, seq }: Extract<WireMessage.Content, { _tag: "Rejected" }>
) =>
  Effect.gen(function* () {
    if (seq > core.window.sent || seq <= Math.max(core.window.settled, refusedThrough(core))) return
    const at = yield* Clock.currentTimeMillis
    const [message] = yield* store.readPending(core.peerId, { fromSeq: seq, maxMessages: 1, maxBytes: 1 })
    const { epoch, peerId } = core
    core.staged.letters.push({
      peerId,
      direction: "outbound",
      epoch,
      seq,
      body: message?.seq === seq ? message.body : emptyBody,
      reason: "RejectedByPeer",
      detail: `${code}: ${reason}`.slice(0, maxReason),
      at
    })
    const { conversation } = core
    core.staged.after.push(() => noteRefusal(conversation, new DeliveryRejectedError({ peerId, seq, code, reason })))
  })

/** What the kernel makes of a delivery. One that throws instead of giving an effect has died of it. */
const handle = ({ core, port }: Receiver, delivery: Delivery): ReturnType<typeof port.receive> =>
  made(() => port.receive(core.peerId, delivery))

const receiveDelivery = (receiver: Receiver, message: Sequenced, delivery: Delivery) => {
  const handled = handle(receiver, delivery)
  const isReap = delivery._tag === "BringOutYourDead"
  // What is done already has written nothing that would have to be undone.
  if (isDone(handled) && !isReap) return Effect.void
  const { core } = receiver
  // In the savepoint of the kernel's handler, so that a delivery that is refused leaves nothing to suppress.
  const work = isReap
    ? Effect.zipRight(
        Effect.sync(() => expectEcho(core)),
        handled
      )
    : handled
  return offer(receiver, work, { taken: done, refused: (refused) => refuse(receiver, message, refused) })
}

const done = () => Effect.void

const take = (receiver: Receiver, message: Sequenced): Effect.Effect<void, KernelBusy | StoreError> => {
  const { content } = message
  switch (content._tag) {
    case "Deliver":
      return receiveDelivery(receiver, message, content.delivery)
    case "RedeemUrl":
      if (isOverloaded(receiver)) return Effect.logDebug("a redemption is not answered: too much waits for the peer")
      return answerRedemption(receiver, content.url, content.replyKey)
    case "RedeemUrlReply":
      return receiver.redemptions.answer(content)
    case "Rejected":
      return noteRejected(receiver, content)
    case "Abandoned":
      return Effect.void
    case "Malformed":
      return refuse(receiver, message, { code: "Malformed", reason: content.reason, letter: "Malformed" })
  }
}

const tellAbandoned = (taken: ReadonlyArray<Sequenced>): Effect.Effect<void> => {
  const count = taken.filter(({ content }) => content._tag === "Abandoned").length
  return count === 0
    ? Effect.void
    : Effect.logWarning(`messages of the peer's that ended before it sent them: ${count}`)
}

/** Takes messages in turn, in the open transaction, until the kernel is busy; gives how many were taken. */
const takeInTurn = (
  receiver: Receiver,
  messages: ReadonlyArray<Sequenced>,
  senderOf: OpenChannel["senderOf"]
): Effect.Effect<number, StoreError> => {
  const { core } = receiver
  let count = 0
  const from = (): Effect.Effect<void, KernelBusy | StoreError> => {
    for (let message = messages[count]; message !== undefined && !mustWait(receiver); message = messages[count]) {
      const taken = take(receiver, message)
      if (!isDone(taken)) {
        return Effect.flatMap(taken, () => {
          count += 1
          return from()
        })
      }
      count += 1
    }
    return Effect.void
  }
  const finish = () => {
    const seq = messages[count - 1]?.seq
    if (seq !== undefined) core.staged.received = { seq, from: senderOf(seq) }
    return andThen(tellAbandoned(messages.slice(0, count)), () => Effect.succeed(count))
  }
  const taken = from()
  return isDone(taken)
    ? finish()
    : Effect.matchEffect(taken, {
        onSuccess: finish,
        onFailure: (error) => (error._tag === "KernelBusy" ? finish() : Effect.fail(error))
      })
}

/**
 * Takes messages that are next in line, in one transaction with what the kernel does with them. Gives how many were taken:
 * fewer than all when the kernel was busy.
 *
 * @internal
 */
export const receive = (
  receiver: Receiver,
  messages: ReadonlyArray<Sequenced>,
  senderOf: OpenChannel["senderOf"]
): Effect.Effect<number, StoreError> => {
  const { core, participant, store } = receiver
  return store.transaction(
    Effect.suspend(() => {
      core.staged.joined = true
      return takeInTurn(receiver, messages, senderOf)
    }),
    participant
  )
}

/**
 * Passes numbers that the peer gave up: a letter tells of them, and the receipt goes on behind them.
 *
 * @internal
 */
export const passHole = ({ core, participant, store }: Receiver, hole: Hole): Effect.Effect<void, StoreError> => {
  const { from, through } = hole
  const numbers = from === through ? `message ${from}` : `messages ${from} to ${through}`
  return Effect.zipRight(
    store.transaction(
      Effect.gen(function* () {
        const at = yield* Clock.currentTimeMillis
        const { epoch, peerId, staged } = core
        const detail = `${numbers} never came`
        const letter = { peerId, epoch, seq: from, body: emptyBody, detail, at } as const
        staged.letters.push({ ...letter, direction: "inbound", reason: "LostByPeer" })
        staged.received = { seq: through, from: undefined }
        staged.after.push(() => {
          core.lostByPeer += through - from + 1
        })
      }),
      participant
    ),
    Effect.logWarning(`the peer lost ${numbers}; going on behind`)
  )
}

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { PeerRestartedError, SessionResetError } from "../../errors/RemoteError.ts"
import { HandshakeError } from "../../errors/TransportError.ts"
import * as Credit from "../../protocol/Credit.ts"
import * as EarlyMessages from "../../protocol/EarlyMessages.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import * as Session from "../../protocol/Session.ts"
import type { LinkEvent } from "../../services/Transport.ts"
import type { Converser } from "./Converser.ts"
import { expectAnswer, holdLine, tellKernel } from "./Converser.ts"
import type { OpenChannel } from "./Core.ts"
import { forgetFlight } from "./flight.ts"
import { settle } from "./settling.ts"
import { stageEnding } from "./staging.ts"

const applyEnding = (converser: Converser, event: Extract<LinkEvent, { _tag: "Opened" }>) => {
  const { core, participant, port, redemptions, store } = converser
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
          const at = yield* Clock.currentTimeMillis
          yield* stageEnding(core, store, { why, reason, detail: why.message, epoch, at })
          core.staged.incarnationId = incarnationId
          core.staged.after.push(() => redemptions.reject(why))
          yield* tellKernel(store, port, peerId, why)
        }),
        participant
      ),
      Effect.succeed
    )
  )
}

const isNews = ({ core }: Converser, { incarnationId, verdict }: Extract<LinkEvent, { _tag: "Opened" }>): boolean =>
  verdict._tag === "Restarted" ? core.incarnationId !== incarnationId : core.epoch < verdict.epoch

/**
 * The ending that the handshake means now, although it meant none. Since this side made its statement it may have worked through what
 * the peer had said in a former process, or a former life: if the peer's memory was lost or went back in time in between, the two
 * statements fitted only what was committed here by then, and the peer's numbers mean something else by now. Of one process and life
 * that cannot be, and it may have said more on the channel before since it made its statement.
 */
const contradiction = (
  { core }: Converser,
  event: Extract<LinkEvent, { _tag: "Opened" }>
): Session.Verdict | undefined => {
  const { epoch, incarnationId, peerProcess, received, receivedFrom, senders, window } = core
  const isSameLife = incarnationId === undefined || incarnationId === event.incarnationId
  if (event.stated === undefined) return isSameLife ? undefined : { _tag: "Restarted", epoch: 0 }
  if (peerProcess === undefined || (peerProcess === event.process && isSameLife)) return undefined
  const mine: Session.Statement = {
    incarnationId: event.ownIncarnationId,
    peerIncarnationId: incarnationId,
    epoch,
    received,
    sent: window.sent,
    acknowledged: window.settled,
    base: Math.max(window.base, window.settled + 1),
    next: window.next,
    senders,
    receivedFrom
  }
  const verdict = Session.settle(mine, event.stated)
  return Session.isEnding(verdict) ? verdict : undefined
}

/** Puts on record what must be there before anything is transmitted: who the peer is, and what may be sent. */
const recordOpening = (converser: Converser, incarnationId: string) => {
  const { core, participant, store } = converser
  core.incarnationId = incarnationId
  if (!core.known && SendWindow.pending(core.window) === 0) return Effect.void
  return holdLine(converser, store.transaction(Effect.void, participant), Effect.succeed)
}

/** What the peer gave up is passed by the first message that comes after it. */
const tellAbandoned = ({ core }: Converser, said: Session.Statement | undefined) => {
  const count = said === undefined ? 0 : Session.abandoned(core.received, said)
  return count === 0 ? Effect.void : Effect.logWarning(`messages that the peer gave up: ${count}`)
}

/**
 * Takes a channel into service: ends the conversation before it if the handshake says so, and goes on where both sides are.
 *
 * @internal
 */
export const onOpened = (converser: Converser, event: Extract<LinkEvent, { _tag: "Opened" }>) =>
  Effect.gen(function* () {
    const { core, link } = converser
    const { incarnationId, ownIncarnationId, stated, verdict } = event
    // As long as the peer was not met, there is no name on record that it would have to hear again.
    if (core.incarnationId === undefined) core.ownIncarnationId = ownIncarnationId
    const isEnding = Session.isEnding(verdict) && isNews(converser, event)
    if (isEnding) {
      yield* applyEnding(converser, event)
      if (stated === undefined) {
        // In the base profile the new life's conversation begins with the next handshake.
        const reason = "the peer lost its memory; the next handshake begins anew"
        return yield* link.drop(event.channel, new HandshakeError({ peerId: core.peerId, reason }))
      }
    }
    const ending = isEnding ? undefined : contradiction(converser, event)
    core.peerProcess = event.process
    if (ending !== undefined) {
      yield* applyEnding(converser, { ...event, verdict: ending })
      const reason = "what the peer had said before contradicts what it stated"
      return yield* link.drop(event.channel, new HandshakeError({ peerId: core.peerId, reason }))
    }
    if (verdict._tag === "First") core.epoch = verdict.epoch
    const said = stated && Session.carriedOver(verdict, stated, ownIncarnationId)
    const channel: OpenChannel = {
      number: event.channel,
      extended: stated !== undefined,
      writable: false,
      acknowledged: 0,
      ackDue: false,
      rounds: 0,
      base: said?.base ?? 1,
      senderOf: (seq) => Session.senderOnChannel(said, event.process, seq),
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

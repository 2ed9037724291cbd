import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { DeliveryExpiredError } from "../../errors/RemoteError.ts"
import type { Timers } from "../../internal/timers.ts"
import * as Expiry from "../../protocol/Expiry.ts"
import type { Participant, RemoteStore } from "../../services/RemoteStore.ts"
import type { Core } from "./Core.ts"
import { endWaiting } from "./Conversation.ts"
import type { Ended } from "./ending.ts"
import { noteEnded } from "./ending.ts"

/** How long to wait when the store would not have it. */
const pause = 1000

/** The messages ended: nobody can transmit them any more, and who waits for them is told. */
const committed = (core: Core, sent: number, at: number, ended: ReadonlyArray<Ended>): void => {
  const { conversation, peerId } = core
  core.deadlines = Expiry.end(core.deadlines, sent, at)
  noteEnded(core, ended)
  for (const { seq } of ended) endWaiting(conversation, seq, new DeliveryExpiredError({ peerId, seq }))
}

/**
 * Ends, in one transaction, what is due and was never transmitted. While that commits, nothing new is transmitted: what may be on its way
 * cannot end any more.
 */
const expire = (core: Core, store: RemoteStore["Type"], participant: Participant) =>
  store
    .transaction(
      Effect.gen(function* () {
        const at = yield* Clock.currentTimeMillis
        const { sent } = core.window
        if (!Expiry.isDue(core.deadlines, sent, at)) return 0
        core.heldFrom = sent + 1
        yield* store.enlist(participant)
        const why = { epoch: core.epoch, detail: "it was not sent before its deadline", at }
        const ended = yield* store.expirePending(core.peerId, { ...why, afterSeq: sent })
        core.staged.after.push(() => committed(core, sent, at, ended))
        return ended.length
      })
    )
    .pipe(
      Effect.ensuring(
        Effect.sync(() => {
          core.heldFrom = Infinity
        })
      )
    )

/**
 * Ends messages at their deadlines, with one timer for the earliest; `look` has to be called whenever there may be another one.
 *
 * @internal
 */
export const makeExpiring = ({
  core,
  onEnded,
  participant,
  store,
  timers
}: {
  readonly core: Core
  readonly store: RemoteStore["Type"]
  readonly participant: Participant
  /** There is room, and the writer may go on. */
  readonly onEnded: () => void
  readonly timers: Timers
}) => {
  const look = () => {
    core.deadlines = Expiry.trim(core.deadlines, core.window.sent)
    const at = Expiry.nextAt(core.deadlines, core.window.sent)
    // A deadline is a time of day. Whoever sets the wall clock meanwhile is found out when the timer rings, or a day later.
    if (at === undefined) alarm.unset()
    else alarm.setIn(Math.max(0, at - timers.clock.unsafeCurrentTimeMillis()))
  }
  const alarm = timers.make(() =>
    Effect.matchEffect(expire(core, store, participant), {
      onSuccess: (ended) => {
        look()
        onEnded()
        return ended === 0
          ? Effect.void
          : Effect.logWarning(`messages that were not sent before their deadline: ${ended}`)
      },
      onFailure: (error) => {
        alarm.setIn(pause)
        return Effect.logWarning("messages that have expired cannot be ended yet", error)
      }
    })
  )
  return look
}

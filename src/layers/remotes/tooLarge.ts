import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { StoreError } from "../../errors/StoreError.ts"
import { ResourceLimitError } from "../../errors/TransportError.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import type { Participant, RemoteStore } from "../../services/RemoteStore.ts"
import { noteTooLarge } from "./Conversation.ts"
import type { Core, OpenChannel } from "./Core.ts"
import type { Ended } from "./ending.ts"
import { noteEnded } from "./ending.ts"
import * as Outbox from "./Outbox.ts"

/**
 * The largest frame that the peer takes on this channel.
 *
 * @internal
 */
export const frameLimit = ({ purse }: OpenChannel): number => purse?.limits.frame ?? Infinity

/**
 * Whether the next message, whose body is at hand, is larger than the peer takes. It was accepted before the peer had said so.
 *
 * @internal
 */
export const isNextTooLarge = (core: Core, channel: OpenChannel): boolean =>
  Outbox.frameOf(core.outbox, core.window.cursor) > frameLimit(channel)

const committed = (core: Core, ended: ReadonlyArray<Ended>, max: number): void => {
  noteEnded(core, ended)
  for (const { bytes, seq } of ended) {
    const current = WireMessage.largestFrame(bytes)
    noteTooLarge(core.conversation, seq, new ResourceLimitError({ limit: "messageSize", current, max }))
  }
}

/**
 * Ends, in one transaction, everything that is larger than the peer takes and was not transmitted on this channel; for the writer, which
 * transmits nothing meanwhile. It is known that the peer does not have it, whatever was transmitted before: by its handshake it had not
 * committed it, and no process with its limits ever will.
 *
 * @internal
 */
export const endTooLarge = (
  core: Core,
  channel: OpenChannel,
  { participant, store }: { readonly participant: Participant; readonly store: RemoteStore["Type"] }
): Effect.Effect<void, StoreError> => {
  const max = frameLimit(channel)
  const ending = Effect.gen(function* () {
    if (core.channel !== channel) return 0
    const at = yield* Clock.currentTimeMillis
    yield* store.enlist(participant)
    const detail = `the peer takes frames of at most ${max} bytes`
    const ended = yield* store.endTooLarge(core.peerId, {
      epoch: core.epoch,
      detail,
      at,
      afterSeq: core.window.cursor - 1,
      maxBytes: WireMessage.largestBody(max)
    })
    core.staged.after.push(() => committed(core, ended, max))
    return ended.length
  })
  return Effect.flatMap(store.transaction(ending), (ended) =>
    ended === 0 ? Effect.void : Effect.logWarning(`${ended} messages are larger than the peer takes and were not sent`)
  )
}

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { GivenUpError } from "../../errors/RemoteError.ts"
import { HandshakeError } from "../../errors/TransportError.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Converser } from "./Converser.ts"
import { tellKernel } from "./Converser.ts"
import { stageEnding } from "./staging.ts"

/**
 * Ends a conversation by this side's decision, if `isDue` still holds once the store is ours: what is pending becomes dead letters,
 * and whoever waits is told.
 *
 * @internal
 */
export const giveUp = Effect.fn("RemoteHandle.giveUp")(function* (
  converser: Converser,
  reason: string,
  isDue: () => boolean
) {
  const { core, link, makeRoom, participant, port, redemptions, store } = converser
  const { peerId } = core
  const why = new GivenUpError({ peerId, reason })
  const pending = SendWindow.pending(core.window) > 0
  const done = yield* store.transaction(
    Effect.gen(function* () {
      if (!isDue()) return false
      yield* store.enlist(participant)
      const at = yield* Clock.currentTimeMillis
      yield* stageEnding(core, store, { why, reason: "GivenUp", detail: reason, epoch: undefined, at })
      core.staged.after.push(() => redemptions.reject(why))
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

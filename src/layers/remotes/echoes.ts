import * as Effect from "effect/Effect"
import type { Participant, RemoteStore } from "../../services/RemoteStore.ts"
import type { Core } from "./Core.ts"

/**
 * A peer's `bringOutYourDead` makes this kernel reap, and a reap ends with a `bringOutYourDead` to the peer. Would that be sent, the
 * two would go on for ever; so one is suppressed for each that was received.
 *
 * The count is in memory only. After a crash an echo may be sent that would have been suppressed: the peer's side counts it, and
 * suppresses the answer, so that it ends there. A count that outlived the reap it stands for would suppress one that was meant.
 *
 * @internal
 */
export const expectEcho = ({ staged }: Core): void => {
  staged.echoes += 1
}

/**
 * Takes one off the count; whether there was one. In a transaction it goes with it.
 *
 * @internal
 */
export const suppressEcho = (
  core: Core,
  store: RemoteStore["Type"],
  participant: Participant
): Effect.Effect<boolean> =>
  Effect.flatMap(store.inTransaction, (inTransaction) => {
    if (inTransaction) {
      if (core.echoes + core.staged.echoes <= 0) return Effect.succeed(false)
      return Effect.map(store.enlist(participant), () => {
        core.staged.echoes -= 1
        return true
      })
    }
    // Somebody else's transaction may be open: what it has taken is gone, what it has added is not there yet.
    if (core.echoes + Math.min(0, core.staged.echoes) <= 0) return Effect.succeed(false)
    core.echoes -= 1
    return Effect.succeed(true)
  })

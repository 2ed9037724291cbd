/**
 * Masks that let go of what they ran.
 *
 * V8 puts a function literal that is assigned to a property where only a full collection frees it, together with all that it reaches;
 * and so do Effect's masks with what they are given. What went through one, a batch of messages for instance, would outlive
 * the collections of the young until then, the first of which would have to copy it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Restore } from "./gate.ts"

const again = "effect-remotes: what may be run once was run again"

/**
 * The same effect, to be run once: it is let go of when it begins.
 *
 * @internal
 */
export const once = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  let it: Effect.Effect<A, E, R> | undefined = effect
  return Effect.suspend(() => {
    const now = it ?? Effect.dieMessage(again)
    it = undefined
    return now
  })
}

/**
 * `Effect.uninterruptibleMask`, to be run once: `use` is let go of when it begins.
 *
 * @internal
 */
export const uninterruptibleOnce = <A, E, R>(
  use: (restore: Restore) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  let it: typeof use | undefined = use
  return Effect.uninterruptibleMask((restore) => {
    const now = it
    it = undefined
    return now === undefined ? Effect.dieMessage(again) : now(restore)
  })
}

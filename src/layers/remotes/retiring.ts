import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { RemotePendingError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { metrics } from "../transport/metrics.ts"
import type { Core } from "./Core.ts"
import { waitingMessages } from "./room.ts"

/** So long at most until the next look: a timer of more than 24 days would not run at all. */
const longest = Duration.toMillis("1 day")

/** A look takes all remotes in; those that come due shortly after one another are found at the same one. */
const looksPerTerm = 100

/**
 * Until when a remote does not expire, as far as can be told now (ms since the Unix epoch).
 *
 * @internal
 */
export const idleUntil = (core: Core, after: Duration.Duration, now: number): number => {
  const isBusy = !core.known || core.channel !== undefined || waitingMessages(core) + core.reservedMessages > 0
  return (isBusy ? now : (core.activeAt ?? now)) + Duration.toMillis(after)
}

interface Retiring {
  readonly core: Core
  readonly actor: {
    readonly expire: (after: Duration.Duration) => Effect.Effect<boolean, RemotePendingError | StoreError>
  }
}

const expire = ({ actor, core }: Retiring, after: Duration.Duration) =>
  actor.expire(after).pipe(
    Effect.flatMap((isGone) => {
      if (!isGone) return Effect.void
      metrics.expiries()
      return Effect.logInfo(`a remote expired: nothing was said for ${Duration.format(after)}`)
    }),
    // A redemption is pending, say; the next look finds out again.
    Effect.catchTag("RemotePendingError", () => Effect.void),
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.logWarning("a remote did not expire", cause)
    ),
    Effect.annotateLogs({ peer: core.peerId })
  )

/**
 * Removes remotes of which nothing was heard or said for `after`, and for which nothing is pending. First waits for `grace`, in which
 * peers that could not reach this kernel while it did not run may come again.
 *
 * @internal
 */
export const retire = (
  remotes: () => Iterable<Retiring>,
  after: Duration.Duration,
  grace: Duration.Duration
): Effect.Effect<never> => {
  const term = Duration.toMillis(after)
  const look = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    let next = now + Math.min(term, longest)
    for (const remote of [...remotes()]) {
      // What was written before times were kept counts from the first look on.
      if (remote.core.known) remote.core.activeAt ??= now
      const until = idleUntil(remote.core, after, now)
      if (until <= now) yield* expire(remote, after)
      else next = Math.min(next, until)
    }
    const left = next - (yield* Clock.currentTimeMillis)
    yield* Effect.sleep(Duration.millis(Math.max(left, Math.min(term, longest) / looksPerTerm)))
  })
  return Effect.zipRight(Effect.sleep(grace), Effect.forever(look)).pipe(
    Effect.annotateLogs({ package: "effect-remotes", module: "Remotes" })
  )
}

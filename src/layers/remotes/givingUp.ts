import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { StoreError } from "../../errors/StoreError.ts"
import { Deadline } from "../../internal/deadline.ts"
import { monotonic } from "../../internal/monotonic.ts"
import type { Timers } from "../../internal/timers.ts"
import * as GiveUp from "../../protocol/GiveUp.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Link, LinkState } from "../../services/Transport.ts"
import type { Core } from "./Core.ts"

/**
 * Gives the peer up when the policy says so.
 *
 * @internal
 */
export interface Watch {
  /** To be run when something is pending and no channel is open. */
  readonly waiting: Effect.Effect<void>
  /** To be run when what was pending has been given up. */
  readonly rest: Effect.Effect<void>
}

/** How long to wait when the store would not have it. */
const pause = Duration.seconds(5)

/**
 * @internal
 */
export interface WatchOptions {
  readonly core: Core
  readonly link: Link
  readonly timers: Timers
  readonly policy: Options["giveUp"]
  /** Gives up if `isDue` still holds once the store is ours: the peer may have come meanwhile. */
  readonly giveUp: (reason: string, isDue: () => boolean) => Effect.Effect<void, StoreError>
}

const policyOf = (option: Options["giveUp"]): GiveUp.Policy => {
  if (option === "never") return { _tag: "Never" }
  return "after" in option
    ? { _tag: "After", millis: Duration.toMillis(option.after) }
    : { _tag: "AfterAttempts", attempts: option.afterAttempts }
}

const eventOf = (before: LinkState, now: LinkState): GiveUp.Event => {
  if (now._tag === "Open") return "Contact"
  if (now._tag === "Closed") return "Rest"
  const tried = before._tag === "Dialing" || before._tag === "Handshaking"
  // A limit of this kernel says nothing about the peer.
  return tried && "error" in now && now.error?._tag !== "ResourceLimitError" ? "Failed" : "Waiting"
}

/**
 * Watches a link. Its fibers end with the scope, so that a shutdown never gives anybody up; with the policy `"never"` there are
 * none.
 *
 * @internal
 */
export const watchForGiveUp = Effect.fnUntraced(function* ({
  core,
  giveUp,
  link,
  policy: option,
  timers
}: WatchOptions) {
  const policy = policyOf(option)
  if (policy._tag === "Never") return { waiting: Effect.void, rest: Effect.void }
  const due = Effect.unsafeMakeLatch(false)
  let seen = yield* link.state
  let state = GiveUp.initial

  const note = (event: GiveUp.Event): Effect.Effect<void> =>
    Effect.clockWith((clock) =>
      Effect.sync(() => {
        const now = monotonic(clock)
        state = GiveUp.step(state, SendWindow.pending(core.window) === 0 ? "Rest" : event, now)
        const decision = GiveUp.decide(policy, state, now)
        if (decision._tag === "GiveUp") due.unsafeOpen()
        else if (decision.until === undefined) deadline.disarm()
        else deadline.armOnce()
      })
    )
  // A state seen twice is no attempt that failed.
  const waiting = Effect.suspend(() => note(eventOf(seen, seen)))
  const deadline = new Deadline(timers, Duration.millis(policy._tag === "After" ? policy.millis : 0), () => waiting)

  const rest = Effect.suspend(() => note("Rest"))

  const giver = Effect.gen(function* () {
    yield* due.await
    due.unsafeClose()
    const decision = GiveUp.decide(policy, state, monotonic(yield* Effect.clock))
    if (decision._tag === "Wait") return
    yield* Effect.logWarning(`giving the peer up: ${decision.reason}`)
    yield* giveUp(decision.reason, () => state.since !== undefined)
    yield* rest
  }).pipe(
    Effect.catchAll((error) =>
      Effect.logWarning("the peer could not be given up yet", error).pipe(Effect.delay(pause), Effect.zipRight(waiting))
    )
  )
  const follow = Stream.runForEach(link.changes, (now) => {
    const event = eventOf(seen, now)
    seen = now
    return note(event)
  })
  for (const fiber of [Effect.forever(giver), follow]) yield* Effect.forkScoped(fiber)
  return { waiting, rest }
})

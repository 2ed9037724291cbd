import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { monotonic } from "../../internal/monotonic.ts"
import * as Liveness from "../../protocol/Liveness.ts"
import { metrics } from "./metrics.ts"

/**
 * Watches the path of one channel while its peer owes an answer. What it is told costs a field; one fiber looks when it is time.
 *
 * @internal
 */
export interface PathWatch {
  /** Whether the peer owes an answer from now on. */
  readonly owe: (owed: boolean) => void
  readonly wrote: (bytes: number) => void
  readonly heard: (what: { readonly answer: boolean; readonly other: boolean }) => void
  readonly experience: () => Liveness.Experience
  readonly stop: Effect.Effect<void>
}

/**
 * @internal
 */
export interface PathWatchOptions {
  readonly clock: Clock.Clock
  readonly settings: Liveness.Settings
  readonly experience: Liveness.Experience
  /** The round trip of the handshake, if it was measured. */
  readonly sample: number | undefined
  readonly scope: Scope.Scope
  /** Asks the peer whether it is there. */
  readonly ask: Effect.Effect<void>
  /** Called once, when the path is given up after so many milliseconds of silence. */
  readonly onLost: (silence: number) => Effect.Effect<void>
}

/**
 * @internal
 */
export const watchPath = Effect.fnUntraced(function* (options: PathWatchOptions) {
  const { clock, settings } = options
  const changed = Effect.unsafeMakeLatch(false)
  let state = Liveness.open(options.experience, options.sample)
  let lookAt = Infinity
  if (options.sample !== undefined) metrics.roundTrip(options.sample)

  const change = (next: Liveness.State): void => {
    state = next
    // What is due later than planned is found out at the next look; only what is due earlier cannot wait for it.
    if (state.owed && Liveness.dueAt(settings, state) < lookAt) changed.unsafeOpen()
  }
  const look = Effect.suspend(() => {
    const now = monotonic(clock)
    const [next, verdict] = Liveness.look(settings, state, now)
    state = next
    changed.unsafeClose()
    lookAt = verdict._tag === "Wait" ? now + verdict.millis : Infinity
    switch (verdict._tag) {
      case "Rest":
        return changed.await
      case "Wait":
        return Effect.raceFirst(Effect.sleep(verdict.millis), changed.await)
      case "Ask":
        metrics.probes()
        // A write that the peer does not take must not keep this fiber from giving the path up.
        return Effect.asVoid(Effect.forkIn(options.ask, options.scope))
      case "Lost":
        return Effect.zipRight(options.onLost(verdict.silence), Effect.never)
    }
  })
  const fiber = yield* Effect.forkIn(Effect.forever(look), options.scope)

  const watch: PathWatch = {
    owe: (owed) => change(Liveness.owe(state, owed, monotonic(clock))),
    wrote: (bytes) => {
      state = Liveness.wrote(state, bytes)
    },
    heard: (what) => {
      const { roundTrip } = state
      change(Liveness.heard(state, what, monotonic(clock)))
      if (state.roundTrip !== roundTrip && state.roundTrip.smoothed !== undefined) {
        metrics.roundTrip(state.roundTrip.smoothed)
      }
    },
    experience: () => state,
    stop: Fiber.interrupt(fiber)
  }
  return watch
})

/**
 * For a peer that cannot be asked.
 *
 * @internal
 */
export const unwatched = (experience: Liveness.Experience): PathWatch => ({
  owe: () => undefined,
  wrote: () => undefined,
  heard: () => undefined,
  experience: () => experience,
  stop: Effect.void
})

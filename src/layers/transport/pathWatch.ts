import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { monotonic } from "../../internal/monotonic.ts"
import type { Timers } from "../../internal/timers.ts"
import * as Liveness from "../../protocol/Liveness.ts"
import { metrics } from "./metrics.ts"

/**
 * Watches the path of one channel while its peer owes an answer. What it is told costs a field; a timer looks when it is time.
 *
 * @internal
 */
export interface PathWatch {
  /** Whether the peer owes an answer from now on. */
  readonly owe: (owed: boolean) => void
  readonly wrote: (bytes: number) => void
  readonly heard: (what: { readonly answer: boolean; readonly other: boolean }) => void
  readonly experience: () => Liveness.Experience
  readonly end: () => void
}

/**
 * @internal
 */
export interface PathWatchOptions {
  readonly timers: Timers
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
export const watchPath = (options: PathWatchOptions): PathWatch => {
  const { settings, timers } = options
  const { clock } = timers
  let state = Liveness.open(options.experience, options.sample)
  let lookAt = Infinity
  if (options.sample !== undefined) metrics.roundTrip(options.sample)

  const lookIn = (millis: number, now: number): void => {
    lookAt = now + millis
    timer.setIn(millis)
  }
  const change = (next: Liveness.State): void => {
    state = next
    if (!state.owed) return
    // What is due later than planned is found out at the next look; only what is due earlier cannot wait for it.
    const dueAt = Liveness.dueAt(settings, state)
    if (dueAt >= lookAt) return
    const now = monotonic(clock)
    lookIn(Math.max(0, Math.ceil(dueAt - now)), now)
  }
  const look: Effect.Effect<void> = Effect.suspend(() => {
    const now = monotonic(clock)
    const [next, verdict] = Liveness.look(settings, state, now)
    state = next
    lookAt = Infinity
    switch (verdict._tag) {
      case "Rest":
        return Effect.void
      case "Wait":
        return Effect.sync(() => lookIn(verdict.millis, now))
      case "Ask":
        metrics.probes()
        // A write that the peer does not take must not keep the path from being given up.
        return Effect.zipRight(Effect.forkIn(options.ask, options.scope), look)
      case "Lost":
        timer.end()
        return options.onLost(verdict.silence)
    }
  })
  const timer = timers.make(look)

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
    end: () => timer.end()
  }
  return watch
}

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
  end: () => undefined
})

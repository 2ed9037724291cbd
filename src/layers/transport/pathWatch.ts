import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { monotonic } from "../../internal/monotonic.ts"
import type { Clockwork, Timer } from "../../internal/timers.ts"
import * as Liveness from "../../protocol/Liveness.ts"
import { metrics } from "./metrics.ts"

/**
 * Whose path it is.
 *
 * @internal
 */
export interface PathOwner {
  readonly scope: Scope.Scope
  /** Asks the peer whether it is there. */
  readonly ask: Effect.Effect<void>
  /** Called once, when the path is given up after so many milliseconds of silence. */
  onSilence(millis: number): Effect.Effect<void>
}

/**
 * Watches the path of one channel while its peer owes an answer. What it is told costs a field; a timer looks when it is time.
 *
 * @internal
 */
export class PathWatch {
  readonly #owner: PathOwner
  readonly #clockwork: Clockwork
  readonly #settings: Liveness.Settings
  readonly #timer: Timer
  #state: Liveness.State
  #lookAt = Infinity

  /** `sample` is the round trip of the handshake, if it was measured. */
  constructor(
    owner: PathOwner,
    clockwork: Clockwork,
    settings: Liveness.Settings,
    experience: Liveness.Experience,
    sample: number | undefined
  ) {
    this.#owner = owner
    this.#clockwork = clockwork
    this.#settings = settings
    this.#state = Liveness.open(experience, sample)
    this.#timer = clockwork.make(owner.scope, () => this.#look())
    if (sample !== undefined) metrics.roundTrip(sample)
  }

  get experience(): Liveness.Experience {
    return this.#state
  }

  /** Whether the peer owes an answer from now on. */
  owe(owed: boolean): void {
    this.#change(Liveness.owe(this.#state, owed, this.#now()))
  }

  wrote(bytes: number): void {
    this.#state = Liveness.wrote(this.#state, bytes)
  }

  heard(what: { readonly answer: boolean; readonly other: boolean }): void {
    const { roundTrip } = this.#state
    this.#change(Liveness.heard(this.#state, what, this.#now()))
    const now = this.#state.roundTrip
    if (now !== roundTrip && now.smoothed !== undefined) metrics.roundTrip(now.smoothed)
  }

  end(): void {
    this.#timer.end()
  }

  #now(): number {
    return monotonic(this.#clockwork.clock)
  }

  #lookIn(millis: number, now: number): void {
    this.#lookAt = now + millis
    this.#timer.setIn(millis)
  }

  #change(next: Liveness.State): void {
    this.#state = next
    if (!next.owed) return
    // What is due later than planned is found out at the next look; only what is due earlier cannot wait for it.
    const dueAt = Liveness.dueAt(this.#settings, next)
    if (dueAt >= this.#lookAt) return
    const now = this.#now()
    this.#lookIn(Math.max(0, Math.ceil(dueAt - now)), now)
  }

  #look(): Effect.Effect<void> {
    const now = this.#now()
    const [next, verdict] = Liveness.look(this.#settings, this.#state, now)
    this.#state = next
    this.#lookAt = Infinity
    switch (verdict._tag) {
      case "Rest":
        return Effect.void
      case "Wait":
        this.#lookIn(verdict.millis, now)
        return Effect.void
      case "Ask":
        metrics.probes()
        // A write that the peer does not take must not keep the path from being given up.
        return Effect.flatMap(Effect.forkIn(this.#owner.ask, this.#owner.scope), () => this.#look())
      case "Lost":
        this.end()
        return this.#owner.onSilence(verdict.silence)
    }
  }
}

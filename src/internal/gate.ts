import * as Effect from "effect/Effect"

/**
 * Makes an effect as interruptible as it was outside.
 *
 * @internal
 */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Ticket {
  granted: boolean
  wake: (() => void) | undefined
}

const grantOf = (ticket: Ticket): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (ticket.granted) return resume(Effect.void)
    ticket.wake = () => resume(Effect.void)
  })

/**
 * Lets effects through one at a time, strictly in the order in which they asked: who leaves hands over to who waits
 * longest. (`Effect.makeSemaphore` lets late-comers overtake.) Waiting can be interrupted and loses nothing.
 *
 * @internal
 */
export class Gate {
  #busy = false
  #waiting: Set<Ticket> | undefined

  /** Whether somebody is inside. */
  get busy(): boolean {
    return this.#busy
  }

  /** Runs what `use` returns alone; it is uninterruptible but for what it restores. */
  through<A, E, R>(use: (restore: Restore) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) => {
      const wait = this.enter(restore)
      return wait === undefined ? this.#inside(use, restore) : Effect.flatMap(wait, () => this.#inside(use, restore))
    })
  }

  /**
   * To be called where nothing can be interrupted. Who gets undefined is inside; else it is once the wait has succeeded.
   * Who is inside must `leave`.
   */
  enter(restore: Restore): Effect.Effect<void> | undefined {
    if (!this.#busy) {
      this.#busy = true
      return undefined
    }
    const ticket: Ticket = { granted: false, wake: undefined }
    ;(this.#waiting ??= new Set()).add(ticket)
    return Effect.onError(restore(grantOf(ticket)), () =>
      Effect.sync(() => {
        if (ticket.granted) this.leave()
        else this.#waiting?.delete(ticket)
      })
    )
  }

  leave(): void {
    for (const next of this.#waiting ?? []) {
      this.#waiting?.delete(next)
      next.granted = true
      next.wake?.()
      return
    }
    this.#busy = false
  }

  /** Runs `effect` alone, at once: for who knows that nobody is inside, and cannot be interrupted. */
  holding<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    this.#busy = true
    return this.leaving(effect)
  }

  /** For who is inside: leaves at the end of `effect`, which cannot be interrupted. */
  leaving<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.matchCauseEffect(effect, {
      onFailure: (cause) => {
        this.leave()
        return Effect.failCause(cause)
      },
      onSuccess: (value) => {
        this.leave()
        return Effect.succeed(value)
      }
    })
  }

  #inside<A, E, R>(use: (restore: Restore) => Effect.Effect<A, E, R>, restore: Restore): Effect.Effect<A, E, R> {
    return this.leaving(Effect.suspend(() => use(restore)))
  }
}

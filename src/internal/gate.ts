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
      if (!this.#busy) {
        this.#busy = true
        return this.#inside(use, restore)
      }
      const ticket: Ticket = { granted: false, wake: undefined }
      ;(this.#waiting ??= new Set()).add(ticket)
      return Effect.matchCauseEffect(restore(grantOf(ticket)), {
        onSuccess: () => this.#inside(use, restore),
        onFailure: (cause) => {
          if (ticket.granted) this.#leave()
          else this.#waiting?.delete(ticket)
          return Effect.failCause(cause)
        }
      })
    })
  }

  #inside<A, E, R>(use: (restore: Restore) => Effect.Effect<A, E, R>, restore: Restore): Effect.Effect<A, E, R> {
    return Effect.flatMap(Effect.exit(Effect.suspend(() => use(restore))), (exit) => {
      this.#leave()
      return exit
    })
  }

  #leave(): void {
    for (const next of this.#waiting ?? []) {
      this.#waiting?.delete(next)
      next.granted = true
      next.wake?.()
      return
    }
    this.#busy = false
  }
}

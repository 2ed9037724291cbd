import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Label, Roster } from "./onCall.ts"

/**
 * What is under way, each under a number; where nothing is, it takes up a field. (A `FiberMap` takes up a kilobyte.)
 *
 * @internal
 */
export class Tasks {
  readonly #roster: Roster
  readonly #label: Label
  #fibers: Map<number, Fiber.RuntimeFiber<void>> | undefined
  #isOver = false

  constructor(roster: Roster, label: Label) {
    this.#roster = roster
    this.#label = label
  }

  /** Begins `work` in a turn of its own; under a number that is not taken. */
  run(number: number, work: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.#isOver) return
      const fiber = this.#roster.run(this.#label, work)
      this.#fibers ??= new Map()
      this.#fibers.set(number, fiber)
      fiber.addObserver(() => this.#drop(number, fiber))
    })
  }

  /** Interrupts what is under way under this number, and waits until it has ended. */
  cancel(number: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fiber = this.#fibers?.get(number)
      return fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(fiber))
    })
  }

  /** Interrupts everything, and waits until it has ended; nothing begins from then on. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isOver = true
      return Fiber.interruptAll(this.#fibers?.values() ?? [])
    })
  }

  #drop(number: number, fiber: Fiber.RuntimeFiber<void>): void {
    if (this.#fibers?.get(number) !== fiber) return
    this.#fibers.delete(number)
    if (this.#fibers.size === 0) this.#fibers = undefined
  }
}

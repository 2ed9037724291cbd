import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Supervisor from "effect/Supervisor"

/**
 * Counts the fibers that are alive.
 *
 * @internal
 */
export class Fibers extends Supervisor.AbstractSupervisor<number> {
  private count = 0

  alive(): number {
    return this.count
  }

  override readonly value: Effect.Effect<number> = Effect.sync(() => this.count)

  override onStart(): void {
    this.count += 1
  }

  override onEnd<A, E>(_: unknown, __: Fiber.RuntimeFiber<A, E>): void {
    this.count -= 1
  }
}

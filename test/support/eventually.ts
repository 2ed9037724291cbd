import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Waits for something that happens on its own, without an event to await. */
export const eventually = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (it) => it, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("15 seconds")
  )

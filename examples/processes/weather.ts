/**
 * What lies between two ends of a connection: whether anything gets through, and how late.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Towards what stands behind the proxy, back from it, or both.
 */
export type Direction = "in" | "out" | "both"

/**
 * A sky that is clear.
 */
export const make = () => {
  const open = { in: Effect.unsafeMakeLatch(true), out: Effect.unsafeMakeLatch(true) }
  let late = Duration.zero
  return {
    /** Waits until a piece may pass. */
    passable: (direction: "in" | "out") =>
      Effect.zipRight(
        Effect.suspend(() => (Duration.equals(late, Duration.zero) ? Effect.void : Effect.sleep(late))),
        open[direction].await
      ),
    stall: (direction: Direction) =>
      Effect.sync(() => {
        if (direction !== "out") open.in.unsafeClose()
        if (direction !== "in") open.out.unsafeClose()
      }),
    delay: (each: Duration.DurationInput) =>
      Effect.sync(() => {
        late = Duration.decode(each)
      }),
    clear: Effect.sync(() => {
      late = Duration.zero
      open.in.unsafeOpen()
      open.out.unsafeOpen()
    })
  }
}

/**
 * What passes, and how.
 */
export type Weather = ReturnType<typeof make>

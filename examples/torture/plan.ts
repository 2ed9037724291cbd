/**
 * What goes wrong in a run, and when: decided by its seed alone.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Direction } from "../processes/weather.ts"

/**
 * What befalls a kernel; it is down, or frozen, for so many milliseconds.
 */
export interface Fall {
  readonly what: "Freeze" | "Kill" | "Stop"
  readonly which: number
  readonly down: number
}

/**
 * What befalls the way to a kernel; what lasts does so for so many milliseconds.
 */
export type Disturbance =
  | { readonly what: "Cut" | "Reset" | "Truncate"; readonly which: number }
  | { readonly what: "Stall"; readonly which: number; readonly direction: Direction; readonly lasts: number }
  | { readonly what: "Delay"; readonly which: number; readonly each: number; readonly lasts: number }

/** One after the other, forever, each after its wait in milliseconds. */
const forever = <A>(seed: string, [least, most]: readonly [number, number], draw: Effect.Effect<A>) => {
  const random = Random.make(seed)
  const next = Effect.zip(Random.nextIntBetween(least, most + 1), draw)
  return Effect.map(Effect.withRandom(next, random), ([wait, value]) => ({ wait, value }))
}

const oneOf = <A>(choices: readonly [A, ...ReadonlyArray<A>]): Effect.Effect<A> =>
  Effect.map(Random.nextIntBetween(0, choices.length), (index) => choices[index] ?? choices[0])

const between = (least: number, most: number) => Random.nextIntBetween(least, most + 1)

/**
 * Kills, and now and then a graceful stop or a sleep, every 1 to 5 seconds. Each run of the effect draws the next one.
 */
export const falls = (seed: number, kernels: number) =>
  forever(
    `${seed} falls`,
    [1000, 5000],
    Effect.gen(function* () {
      const what = yield* oneOf<Fall["what"]>(["Kill", "Kill", "Kill", "Stop", "Freeze"])
      const which = yield* between(0, kernels - 1)
      return { what, which, down: yield* between(0, what === "Freeze" ? 4500 : 1500) }
    }) satisfies Effect.Effect<Fall>
  )

/**
 * Disturbances of the ways between them, every 0.2 to 2 seconds. Each run of the effect draws the next one.
 */
export const disturbances = (seed: number, kernels: number) =>
  forever(
    `${seed} disturbances`,
    [200, 2000],
    Effect.gen(function* () {
      const which = yield* between(0, kernels - 1)
      const what = yield* oneOf<Disturbance["what"]>(["Cut", "Reset", "Truncate", "Truncate", "Stall", "Delay"])
      switch (what) {
        case "Stall":
          return {
            what,
            which,
            direction: yield* oneOf<Direction>(["in", "out", "both"]),
            lasts: yield* between(100, 4000)
          }
        case "Delay":
          return { what, which, each: yield* between(5, 300), lasts: yield* between(500, 3000) }
        default:
          return { what, which }
      }
    }) satisfies Effect.Effect<Disturbance>
  )

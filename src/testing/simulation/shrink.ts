import * as Effect from "effect/Effect"

/** `items` without those from `from` to before `to`. */
const without = <A>(items: ReadonlyArray<A>, from: number, to: number): ReadonlyArray<A> => [
  ...items.slice(0, from),
  ...items.slice(to)
]

/**
 * Delta debugging: leaves out ever smaller parts of what fails for as long as it fails without them, and gives what is left: each
 * single part of it is needed. `fails` is asked `budget` times at most.
 *
 * @internal
 */
export const shrink = <A, E, R>(
  items: ReadonlyArray<A>,
  fails: (items: ReadonlyArray<A>) => Effect.Effect<boolean, E, R>,
  budget: number
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.gen(function* () {
    let left = items
    let tries = budget
    let size = Math.ceil(left.length / 2)
    while (size >= 1 && left.length > 0) {
      let from = 0
      let smaller = false
      while (from < left.length && tries > 0) {
        const rest = without(left, from, from + size)
        tries -= 1
        if (yield* fails(rest)) {
          left = rest
          smaller = true
        } else from += size
      }
      if (tries <= 0) return left
      if (size > 1) size = Math.ceil(size / 2)
      else if (!smaller) return left
    }
    return left
  })

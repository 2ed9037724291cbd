/**
 * What befalls a run, and when: decided before it starts, by its seed alone.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Settings } from "./settings.ts"

/**
 * One thing that goes wrong on purpose, once bob has received `at` messages.
 */
export interface Disruption {
  readonly at: number
  readonly what: "KillAlice" | "KillBob" | "Reset"
}

/**
 * Disruptions in the order of their moments, which are all different.
 */
export type Plan = ReadonlyArray<Disruption>

/** The last tenth is left in peace, so that the run also shows that it recovers. */
const disturbed = 0.9

/**
 * Spreads kills and resets over the run: as many slots as disruptions, each with one at a random moment in it. Alice is
 * killed every third time, bob the other times.
 */
export const make = Effect.fnUntraced(function* ({
  kills,
  messages,
  resets,
  seed
}: Pick<Settings, "kills" | "messages" | "resets" | "seed">) {
  const random = Random.make(seed)
  const ofAlice = Math.floor(kills / 3)
  const whats = Array.from<unknown, Disruption["what"]>({ length: kills + resets }, (_, index) =>
    index < ofAlice ? "KillAlice" : index < kills ? "KillBob" : "Reset"
  )
  const slot = (disturbed * messages) / whats.length
  const plan: Array<Disruption> = []
  for (const what of yield* random.shuffle(whats)) {
    const index = plan.length
    const drawn = Math.ceil((index + (yield* random.next)) * slot)
    // Each disruption must leave a message to every one behind it, or the run would be over before they come.
    const latest = messages - (whats.length - index)
    plan.push({ at: Math.max((plan.at(-1)?.at ?? 0) + 1, Math.min(drawn, latest)), what })
  }
  return plan
})

/**
 * How far alice may send while only the first `done` disruptions have happened: far enough to reach the next one at full
 * speed, never so far that the run could end before it.
 */
export const allowance = (
  plan: Plan,
  done: number,
  { messages, window }: { readonly messages: number; readonly window: number }
): number => {
  const next = plan[done]
  return next === undefined ? messages : Math.min(next.at + window, messages - (plan.length - done))
}

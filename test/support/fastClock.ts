/**
 * Virtual time that costs next to nothing, for tests that need more of it than `TestClock` can give at 4 ms a wake: it goes
 * on to the next sleeper once the event loop has turned and so every fiber that could run has run.
 */
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

export interface FastClock {
  readonly clock: Clock.Clock
  readonly now: () => number
  /** Lets time pass until `done`, for `limit` at most; gives whether it was done. */
  readonly run: (done: () => boolean, limit: Duration.DurationInput) => Effect.Effect<boolean>
}

/** What WebCrypto is doing on its own threads: no time passes meanwhile, so that a run with a seed repeats. */
let underWay = 0
const watched = new Set<string>()
const watchCrypto = () => {
  const { subtle } = globalThis.crypto
  for (const name of [
    "importKey",
    "exportKey",
    "generateKey",
    "encrypt",
    "decrypt",
    "sign",
    "verify",
    "digest",
    "deriveBits",
    "deriveKey"
  ]) {
    if (watched.has(name)) continue
    watched.add(name)
    const real: unknown = Reflect.get(subtle, name)
    if (typeof real !== "function") continue
    Object.defineProperty(subtle, name, {
      value: (...args: ReadonlyArray<unknown>) => {
        underWay++
        const result: unknown = Reflect.apply(real, subtle, args)
        return Promise.resolve(result).finally(() => underWay--)
      }
    })
  }
}

/** Passes once everything that can run has run. */
const rest = async () => {
  do await turn()
  while (underWay > 0)
  await turn()
}

/** With nobody asleep there is nothing to jump to: something real is under way, or nothing will ever happen again. */
const idleLimit = 500

/** Nobody has that much to do without any time. */
const stuckLimit = 10_000

export const makeFastClock = (): FastClock => {
  watchCrypto()
  let now = 0
  const sleepers: Array<Sleeper> = []
  const insert = (sleeper: Sleeper) => {
    const index = sleepers.findIndex(({ at }) => at > sleeper.at)
    sleepers.splice(index === -1 ? sleepers.length : index, 0, sleeper)
  }
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: () => BigInt(Math.round(now * 1e6)),
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(() => BigInt(Math.round(now * 1e6))),
    sleep: (duration) =>
      Effect.async((resume) => {
        // Whole milliseconds, as real timers: of what is less than the rounding of a sum nobody would ever wake.
        const sleeper = { at: Math.ceil(now + Duration.toMillis(duration)), wake: () => resume(Effect.void) }
        insert(sleeper)
        return Effect.sync(() => {
          const index = sleepers.indexOf(sleeper)
          if (index !== -1) sleepers.splice(index, 1)
        })
      })
  }
  const run = (done: () => boolean, limit: Duration.DurationInput) =>
    Effect.promise(async () => {
      const end = now + Duration.toMillis(limit)
      for (let idle = 0, wakes = 0; idle < idleLimit; wakes++) {
        await rest()
        if (done()) return true
        const next = sleepers[0]
        if (next === undefined) {
          idle++
          await wait(1)
        } else if (next.at > end) {
          now = end
          return false
        } else {
          idle = 0
          if (next.at > now) wakes = 0
          if (wakes > stuckLimit) throw new Error(`time stands still at ${now}`)
          now = Math.max(now, next.at)
          while (sleepers[0] !== undefined && sleepers[0].at <= now) sleepers.shift()?.wake()
        }
      }
      return false
    })
  return { clock, now: () => now, run }
}

/**
 * All that goes wrong in a run, one thing after the other.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Proxy from "../processes/proxy.ts"
import type * as Cast from "./cast.ts"
import * as Plan from "./plan.ts"
import type { Name } from "./settings.ts"
import * as Tally from "./tally.ts"

/**
 * Whom it befalls, and what tells of it.
 */
export interface Stage {
  readonly cast: Cast.Cast
  readonly names: readonly [Name, ...ReadonlyArray<Name>]
  readonly seed: number
  readonly tally: Ref.Ref<Tally.Tally>
}

const note = (tally: Ref.Ref<Tally.Tally>, what: Tally.Mishap) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.update(tally, (it) => Tally.befall(it, what, now)))

/**
 * A kernel falls, and stands up again.
 */
export const fall = Effect.fnUntraced(function* (
  { cast, tally }: Stage,
  name: Name,
  planned: Pick<Plan.Fall, "down" | "what">
) {
  const { down } = planned
  if (planned.what === "Freeze") {
    yield* note(tally, planned.what)
    return yield* cast.freeze(name, down)
  }
  const what = cast.isUp(name) ? planned.what : "Kill"
  yield* what === "Kill" ? cast.kill(name) : cast.end(name)
  yield* Ref.update(tally, (it) => Tally.end(it, cast.peerIdOf(name)))
  yield* note(tally, what)
  yield* Effect.sleep(down)
  yield* cast.start(name)
})

const disturb = (proxy: Proxy.Proxy, disturbance: Plan.Disturbance): Effect.Effect<unknown> => {
  const lasting = (begin: Effect.Effect<void>, lasts: number) =>
    Effect.ensuring(Effect.zipRight(begin, Effect.sleep(lasts)), proxy.clear)
  switch (disturbance.what) {
    case "Cut":
      return proxy.cut
    case "Reset":
      return proxy.reset
    case "Truncate":
      return proxy.truncate
    case "Stall":
      return lasting(proxy.stall(disturbance.direction), disturbance.lasts)
    case "Delay":
      return lasting(proxy.delay(disturbance.each), disturbance.lasts)
  }
}

/** The way to this kernel, or to one after it, once there is a connection on it: before that there is nothing to disturb. */
const wayInUse = (stage: Stage, which: number): Effect.Effect<Proxy.Proxy> => {
  const { cast, names } = stage
  const proxies = names.flatMap((_, index) => cast.proxies.get(names[(which + index) % names.length] ?? names[0]) ?? [])
  return Effect.flatMap(
    Effect.findFirst(proxies, ({ open }) => Effect.map(open, (count) => count > 0)),
    Option.match({
      onNone: () => Effect.delay(wayInUse(stage, which), "10 millis"),
      onSome: Effect.succeed
    })
  )
}

/** Does one after the other, each after its wait, and begins none after `until`. */
const inTurn = <A, E, R>(
  next: Effect.Effect<{ readonly wait: number; readonly value: A }>,
  until: number,
  act: (value: A) => Effect.Effect<void, E, R>
) =>
  Effect.gen(function* () {
    while (true) {
      const { value, wait } = yield* next
      const left = until - (yield* Clock.currentTimeMillis)
      yield* Effect.sleep(Math.max(0, Math.min(wait, left)))
      if (wait >= left) return
      yield* act(value)
    }
  })

/**
 * Has things go wrong for so many seconds, all that the plan has for them. Then every kernel is up, or about to be, and the
 * weather is clear.
 */
export const storm = (stage: Stage, seconds: number) =>
  Effect.gen(function* () {
    const { names, seed, tally } = stage
    const until = (yield* Clock.currentTimeMillis) + 1000 * seconds
    const one = (which: number) => names[which] ?? names[0]
    const falling = inTurn(Plan.falls(seed, names.length), until, (it) => fall(stage, one(it.which), it))
    const disturbing = inTurn(Plan.disturbances(seed, names.length), until, (it) =>
      Effect.gen(function* () {
        const way = yield* wayInUse(stage, it.which)
        yield* note(tally, it.what)
        yield* disturb(way, it)
      })
    )
    yield* Effect.all([falling, disturbing], { concurrency: "unbounded", discard: true })
  })

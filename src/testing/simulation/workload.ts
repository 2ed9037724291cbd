import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { DeliveryRefused, KernelBusy } from "../../services/KernelPort.ts"
import type { Receipt } from "../../services/RemoteHandle.ts"
import type { Dice } from "./dice.ts"
import type { History, Outcome } from "./history.ts"
import { textOf } from "./life.ts"
import type { Life, Program } from "./life.ts"
import type { Site } from "./site.ts"

/** How a message may end: plain, answered, refused, busy for a while, or the handler dies or takes its time. */
const endings = ["", "", "", "", "", "", "?", "?", "!", "#", "~", "z"] as const

/**
 * A kernel that does with a message what its last character says, so that every way of a handler is in a run.
 *
 * @internal
 */
export const obedient =
  (dice: Dice): Program =>
  (life) => {
    const busy = new Map<string, number>()
    const receive = (from: string, text: string): Effect.Effect<unknown, DeliveryRefused | KernelBusy> => {
      switch (text.at(-1)) {
        case "?":
          return life.reply(from, `re:${text.slice(0, -1)}`)
        case "!":
          // What it has said is undone with the refusal.
          return Effect.zipRight(
            life.reply(from, `undone:${text.slice(0, -1)}`),
            new DeliveryRefused({ code: "No", reason: "refused on purpose" })
          )
        case "#":
          return Effect.dieMessage("dies on purpose")
        case "z":
          return Effect.sleep(dice.between(10, 1500))
        case "~": {
          const left = busy.get(text) ?? dice.whole(1, 4)
          busy.set(text, left - 1)
          return left > 0 ? Effect.fail(new KernelBusy({})) : Effect.void
        }
        default:
          return Effect.void
      }
    }
    return {
      receive: (peer, delivery) => receive(life.nameOf(peer), textOf(delivery)),
      redeem: (_, reference) => Effect.succeed(`ro+${reference}`),
      forget: () => Effect.void
    }
  }

/** What a receipt comes to, as the kernel is told. */
const watch = (history: History, receipt: Receipt, sent: Omit<Outcome, "outcome">) =>
  Effect.map(Effect.exit(receipt.acknowledged), (exit) => {
    if (Exit.isSuccess(exit)) history.outcomes.push({ ...sent, outcome: "acknowledged" })
    else {
      const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
      if (error === undefined || error._tag === "NetworkStoppedError") return
      history.outcomes.push({ ...sent, outcome: error._tag === "DeliveryRejectedError" ? "rejected" : "unknown" })
    }
  })

/** Tries again while nothing happened; its kernel may die under it. */
const insist = <E extends { readonly _tag: string }>(
  history: History,
  site: Site,
  isOver: () => boolean,
  work: (life: Life) => Effect.Effect<unknown, E>
): Effect.Effect<void> =>
  Effect.flatMap(Effect.exit(site.within(work)), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.void
    const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
    const again = error?._tag === "ResourceLimitError" || error?._tag === "StoreUnavailableError"
    if (again && !isOver()) return Effect.zipRight(Effect.sleep(50), insist(history, site, isOver, work))
    if (!again && error?._tag !== "NetworkStoppedError") {
      history.problems.push(`a call of ${site.name} failed otherwise: ${Cause.pretty(exit.cause)}`)
    }
    return Effect.void
  })

const undone = { _tag: "Undone" } as const

/**
 * One kernel hands in messages for another, alone and in turns, until it is over.
 *
 * @internal
 */
export const talk = (
  options: {
    readonly from: Site
    readonly to: string
    readonly dice: Dice
    readonly history: History
    /** Owns what waits for the outcome of messages. */
    readonly scope: Scope.Scope
    /** How long it rests between two turns at most, in milliseconds. */
    readonly rest: number
  },
  isOver: () => boolean
): Effect.Effect<void> => {
  const { dice, from, history, rest, scope, to } = options
  let count = 0
  const next = () => `${from.name}-${to}-${++count}${dice.oneOf(endings)}`
  const say = (life: Life, text: string) =>
    Effect.tap(life.send(to, text), (receipt) =>
      dice.chance(0.3) ? Effect.forkIn(watch(history, receipt, { from: from.name, to, text }), scope) : Effect.void
    )
  const one = Effect.suspend(() => {
    const text = next()
    return insist(history, from, isOver, (life) => say(life, text))
  })
  const turn = Effect.suspend(() => {
    const texts = [next(), next(), next()]
    return insist(history, from, isOver, (life) =>
      life.store.transaction(Effect.forEach(texts, (text) => life.send(to, text), { discard: true }))
    )
  })
  const burst = Effect.suspend(() =>
    Effect.forEach(
      Array.from({ length: 8 }, next),
      (text) => insist(history, from, isOver, (life) => say(life, text)),
      { concurrency: 5, discard: true }
    )
  )
  const thinkBetter = insist(history, from, isOver, (life) =>
    Effect.catchIf(
      life.store.transaction(Effect.zipRight(life.send(to, `undone ${++count}`), Effect.fail(undone))),
      (error) => error === undone,
      () => Effect.void
    )
  )
  const turns = [one, one, one, one, turn, turn, burst, thinkBetter] as const
  const loop = Effect.whileLoop({
    while: () => !isOver(),
    body: () =>
      Effect.zipRight(
        dice.oneOf(turns),
        Effect.suspend(() => Effect.sleep(dice.between(0, rest)))
      ),
    step: () => undefined
  })
  return Effect.zipRight(
    Effect.suspend(() => Effect.sleep(dice.between(0, rest))),
    loop
  )
}

/**
 * Whether everything that this kernel handed in for the other has an outcome.
 *
 * @internal
 */
export const isSettled = (site: Site, to: string): Effect.Effect<boolean> =>
  site
    .within((life) =>
      Effect.flatMap(life.remotes, (remotes) =>
        Effect.map(remotes.list, (all) => !all.some((it) => it.peerId === life.peerIdOf(to) && it.pendingMessages > 0))
      )
    )
    .pipe(Effect.orElseSucceed(() => false))

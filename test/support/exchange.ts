/** What kernels hand to each other through crashes and faults, and whether what they committed fits to it. */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { KernelBusy } from "../../src/services/KernelPort.ts"
import { DeliveryRefused } from "../../src/services/KernelPort.ts"
import type { Kernel } from "./kernel.ts"
import { message } from "./kernel.ts"
import type { Entry, Name, Site } from "./site.ts"
import { handleOf } from "./site.ts"

/** What one kernel handed in for another, as its callers were told. */
export interface Handed {
  /** By body, with the number that `deliver` returned. */
  readonly accepted: Map<string, number>
  /** The kernel died before `deliver` returned: committed or not. */
  readonly unknown: Set<string>
  /** What must never happen, and did. */
  readonly problems: Array<string>
}

export const nothingHanded = (): Handed => ({ accepted: new Map(), unknown: new Set(), problems: [] })

/** A body that ends in `?` is answered without it in the same turn; one that ends in `!` is refused, after an answer that is thus undone. */
export const obedient = (_: Name, body: string, reply: (body: string) => Effect.Effect<void, KernelBusy>) => {
  if (body.endsWith("?")) return reply(`re:${body.slice(0, -1)}`)
  return body.endsWith("!")
    ? Effect.zipRight(
        reply(`undone:${body.slice(0, -1)}`),
        new DeliveryRefused({ code: "No", reason: "refused on purpose" })
      )
    : Effect.void
}

/** What became of a call: done, nothing happened so that it may be tried again, or its kernel died under it. */
const attempt = <A, E extends { readonly _tag: string }>(
  effect: Effect.Effect<A, E>,
  problems: Array<string>
): Effect.Effect<{ readonly done: Option.Option<A>; readonly again: boolean }> =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return { done: Option.some(exit.value), again: false }
    const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
    if (error?._tag === "NetworkStoppedError") return { done: Option.none(), again: false }
    if (error?._tag === "ResourceLimitError") return { done: Option.none(), again: true }
    if (error?._tag === "StoreUnavailableError") {
      return { done: Option.none(), again: !("reason" in error && error.reason === "Closed") }
    }
    problems.push(`a call failed otherwise: ${Cause.pretty(exit.cause)}`)
    return { done: Option.none(), again: false }
  })

const pause = Effect.sleep("50 millis")

/** Hands in `bodies` in one go: alone, or in a turn of the kernel's; tried again while the store says that nothing happened. */
export const handIn = (
  site: Site,
  handed: Handed,
  bodies: ReadonlyArray<string>,
  work: (kernel: Kernel) => Effect.Effect<ReadonlyArray<number>, { readonly _tag: string }>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { again, done } = yield* attempt(site.within(work), handed.problems)
    if (again) return yield* Effect.zipRight(pause, handIn(site, handed, bodies, work))
    bodies.forEach((body, index) => {
      if (Option.isSome(done)) handed.accepted.set(body, done.value[index] ?? 0)
      else handed.unknown.add(body)
    })
  })

/** A body that ends in `~` has a deadline, and need not arrive. */
export const deliverWithin = (
  site: Site,
  to: Name,
  handed: Handed,
  body: string,
  expiresIn: Duration.DurationInput | undefined
) =>
  handIn(site, handed, [body], (kernel) =>
    Effect.flatMap(handleOf(kernel, to), (handle) =>
      Effect.map(handle.deliver(message(body), { expiresIn }), ({ seq }) => [seq])
    )
  )

export const deliver = (site: Site, to: Name, handed: Handed, body: string) =>
  deliverWithin(site, to, handed, body, undefined)

export const deliverInTurn = (site: Site, to: Name, handed: Handed, bodies: ReadonlyArray<string>) =>
  handIn(site, handed, bodies, (kernel) =>
    Effect.flatMap(handleOf(kernel, to), (handle) =>
      kernel.store.transaction(
        Effect.forEach(bodies, (body) => Effect.map(handle.deliver(message(body)), ({ seq }) => seq))
      )
    )
  )

/** A turn that delivers and then fails: nothing of it may ever be seen. */
export const deliverUndone = (site: Site, to: Name, handed: Handed, body: string) =>
  Effect.asVoid(
    attempt(
      site.within((kernel) =>
        Effect.flatMap(handleOf(kernel, to), (handle) =>
          Effect.catchTag(
            kernel.store.transaction(
              Effect.zipRight(handle.deliver(message(body)), Effect.fail({ _tag: "Undone" } as const))
            ),
            "Undone",
            () => Effect.void
          )
        )
      ),
      handed.problems
    )
  )

/** Whether everything that this kernel handed to the other is acknowledged. */
export const isSettled = (site: Site, to: Name) =>
  site
    .within((kernel) =>
      Effect.flatMap(handleOf(kernel, to), (handle) =>
        Effect.map(handle.status, ({ pendingMessages }) => pendingMessages === 0)
      )
    )
    .pipe(Effect.orElseSucceed(() => false))

export const bodiesFrom = (committed: ReadonlyArray<Entry>, from: Name): ReadonlyArray<string> =>
  committed.flatMap((entry) => (entry._tag === "Received" && entry.from === from ? [entry.body] : []))

/** The dead letters that a kernel has, with their bodies. */
export const buried = (site: Site) =>
  site.within(({ store }) =>
    Effect.map(store.listDeadLetters({ afterId: 0, limit: 1000 }), (letters) =>
      letters.map(({ body, direction, reason }) => {
        const text = new TextDecoder().decode(body)
        return { direction, reason, body: /"body":"([^"]*)"/.exec(text)?.[1] ?? "" }
      })
    )
  )

/** Whether the receiving kernel refuses it (`!`), or dies on it (`#`). */
const isRefused = (body: string): boolean => /[!#]$/.test(body)

/** What is wrong with what `receiver` committed of what `sender` handed to it; in one uninterrupted conversation. */
export const wrongs = (sender: Site, receiver: Site, handed: Handed): ReadonlyArray<string> => {
  const found = [...handed.problems]
  const way = `${sender.name} → ${receiver.name}`
  const accepted = new Map(handed.accepted)
  for (const entry of sender.committed) {
    if (entry._tag === "Replied" && entry.to === receiver.name) accepted.set(entry.body, entry.seq)
    if (entry._tag === "Forgot") found.push(`${sender.name} was told ${entry.why}`)
  }
  const received = bodiesFrom(receiver.committed, sender.name)
  const once = new Set(received)
  if (once.size < received.length) {
    found.push(`${way} doubled: ${received.filter((body, index) => received.indexOf(body) !== index).join(" ")}`)
  }
  for (const body of once) {
    if (!accepted.has(body) && !handed.unknown.has(body)) found.push(`${way} never handed in: ${body}`)
    if (isRefused(body)) found.push(`${way} refused and yet committed: ${body}`)
  }
  for (const body of accepted.keys()) {
    if (!once.has(body) && !isRefused(body) && !body.endsWith("~")) found.push(`${way} lost: ${body}`)
  }
  let highest = 0
  for (const body of received) {
    const seq = accepted.get(body) ?? highest
    if (seq < highest) found.push(`${way} out of order: ${body}`)
    highest = Math.max(highest, seq)
  }
  const { failure } = receiver
  if (failure() !== undefined) found.push(`${receiver.name} could not live: ${Cause.pretty(failure()!)}`)
  return found
}

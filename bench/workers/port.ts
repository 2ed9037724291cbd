/**
 * The host kernel's side of the bench: a handler that counts, or answers.
 */
import type { KernelPort, RemoteHandle, Remotes } from "effect-remotes"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** Answers to messages of this kernel's. */
export interface Answers {
  /** Waits for the next answer; to be called before it can have come. */
  readonly next: () => Effect.Effect<void>
  /** Through whom this kernel answers. */
  readonly speakThrough: (remotes: Remotes.Remotes["Type"]) => Effect.Effect<void>
}

const outOfOrder = (expected: string, result: string) =>
  Effect.dieMessage(`expected message ${expected}, got ${result}`)

export const makePort = Effect.gen(function* () {
  const remotes = yield* Deferred.make<Remotes.Remotes["Type"]>()
  const handles = new Map<string, RemoteHandle.RemoteHandleService>()
  const arrived = new Map<string, number>()
  const waiting: Array<() => void> = []
  let answersAhead = 0

  const handleOf = (peer: string) => {
    const known = handles.get(peer)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.flatMap(Deferred.await(remotes), (them) =>
      Effect.tap(Effect.orDie(them.get(peer)), (handle) => Effect.sync(() => handles.set(peer, handle)))
    )
  }
  const answer = Effect.sync(() => {
    const waiter = waiting.shift()
    if (waiter === undefined) answersAhead += 1
    else waiter()
  })
  const countIn = (peer: string, result: string) => {
    // A sender counts anew in each of its lives.
    const count = result === "p-0" ? 0 : (arrived.get(peer) ?? 0)
    const expected = `p-${count}`
    if (result !== expected) return outOfOrder(expected, result)
    arrived.set(peer, count + 1)
    return Effect.void
  }

  const port: KernelPort.KernelPort["Type"] = {
    receive: (peer, delivery) => {
      if (delivery._tag !== "Message") return Effect.void
      const { result, target } = delivery
      if (target === "sink") return countIn(peer, result)
      if (target === "answer") return answer
      if (target !== "echo") return Effect.void
      return Effect.flatMap(handleOf(peer), (handle) => Effect.orDie(handle.deliver({ ...delivery, target: "answer" })))
    },
    redeem: (_, reference) => Effect.succeed(reference),
    forget: (_, why) => Effect.die(why)
  }
  const answers: Answers = {
    next: () => {
      if (answersAhead > 0) {
        answersAhead -= 1
        return Effect.void
      }
      return Effect.async((resume) => void waiting.push(() => resume(Effect.void)))
    },
    speakThrough: (them) => Effect.asVoid(Deferred.succeed(remotes, them))
  }
  return { port, answers }
})

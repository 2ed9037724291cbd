import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Scope from "effect/Scope"
import type * as LinkMachine from "../../protocol/LinkMachine.ts"
import type { LinkError } from "../../services/Transport.ts"
import type { Greeted } from "./greeting.ts"
import { answer, greet } from "./greeting.ts"
import type { Candidate, Incoming, LinkOptions, Ready } from "./linkActor.ts"
import { discard } from "./linkActor.ts"
import { failed } from "./linkFailure.ts"
import { metrics } from "./metrics.ts"
import { makeRestartGuard } from "./restartGuard.ts"

type Command<Tag extends LinkMachine.Command["_tag"]> = Extract<LinkMachine.Command, { readonly _tag: Tag }>

/**
 * What leads to a greeted channel and takes time, each under the token that the machine gave it.
 *
 * @internal
 */
export interface Attempts {
  readonly dial: (command: Command<"Dial">) => Effect.Effect<void>
  readonly greet: (command: Command<"Greet">) => Effect.Effect<void>
  readonly answer: (command: Command<"Answer">) => Effect.Effect<void>
  readonly refuse: (command: Command<"Refuse">) => Effect.Effect<void>
  readonly wait: (command: Command<"Wait">) => Effect.Effect<void>
  readonly cancel: (command: Command<"Cancel">) => Effect.Effect<void>
  /** Keeps a channel that the peer opened until it is answered or refused; the number that it goes by. */
  readonly keep: (incoming: Incoming) => number
  /** Whether there is a channel of the peer's that is neither answered nor refused. */
  readonly isHailed: () => boolean
  /** Lets go of all channels that are neither. */
  readonly abandon: Effect.Effect<void>
}

interface Options extends Pick<LinkOptions, "config" | "doorkeeper" | "factory" | "peerId" | "speaker"> {
  /** What the attempts live in. */
  readonly scope: Scope.Scope
  readonly work: FiberMap.FiberMap<number>
  readonly hints: () => ReadonlyArray<string>
  /** Waits until there is room for what a channel brings. */
  readonly room: Effect.Effect<void>
  readonly tell: (event: LinkMachine.Event) => Effect.Effect<void>
  readonly onReady: (token: number, ready: Ready) => Effect.Effect<void>
}

/**
 * The same for every handshake of the link, whoever else is removed meanwhile, so that what the first of them said can still be put on
 * record. The link to who is removed ends with its record.
 */
const once = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  let known: Effect.Effect<A> | undefined
  return Effect.suspend(
    (): Effect.Effect<A, E> =>
      known ??
      Effect.tap(effect, (value) => {
        known = Effect.succeed(value)
      })
  )
}

/**
 * @internal
 */
export const makeAttempts = Effect.fnUntraced(function* (options: Options) {
  const { config, doorkeeper, factory, peerId, scope, tell, work } = options
  const introduction = once(options.speaker.introduction(peerId))
  const speaker = { ...options.speaker, introduction: () => introduction }
  const checkRestarts = makeRestartGuard(yield* Effect.clock, config.maxIncarnationChangesPerMinute)
  const dialed = new Map<number, Candidate>()
  const incoming = new Map<number, Incoming>()
  let incomings = 0

  /** Runs what takes time under its token; what it fails with is told to the machine. */
  const run = (token: number, effect: Effect.Effect<void, LinkError>) =>
    effect.pipe(
      Effect.catchAll((error) => {
        metrics.failure(error._tag)
        return tell(failed(token, error))
      }),
      Effect.tapErrorCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("a link attempt died", cause)
      ),
      (it) => FiberMap.run(work, token, it),
      Effect.asVoid
    )

  const dialing = Effect.suspend(() => {
    metrics.dials()
    return factory.dial(peerId, options.hints())
  }).pipe(Effect.withSpan("Transport.dial", { attributes: { peer: peerId } }))
  const free = Effect.sync(() => doorkeeper.free(peerId))
  const dial = (token: number) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const refusal = doorkeeper.reserve(peerId)
        if (refusal !== undefined) return yield* refusal
        const candidateScope = yield* Scope.fork(scope, { _tag: "Sequential" })
        const channel = yield* restore(Scope.extend(dialing, candidateScope)).pipe(
          Effect.onError(() => Effect.zipRight(free, Scope.close(candidateScope, Exit.void)))
        )
        // Its place is free when the end of the channel begins, not when it is complete.
        yield* Scope.addFinalizer(candidateScope, free)
        dialed.set(token, { channel, scope: candidateScope })
        yield* tell({ _tag: "Dialed", token })
      })
    )

  /** Hands a greeted channel over to the actor; closes it when the handshake fails or is cancelled. */
  const handOver = (token: number, candidate: Candidate, greeting: Effect.Effect<Greeted, LinkError>) =>
    Effect.uninterruptibleMask((restore) =>
      restore(Effect.zipLeft(Effect.tap(greeting, checkRestarts), options.room)).pipe(
        Effect.onError(() => discard(candidate, "no handshake")),
        Effect.flatMap((greeted) => options.onReady(token, { ...candidate, greeted }))
      )
    )

  const takeOut = <A>(map: Map<number, A>, key: number): A | undefined => {
    const value = map.get(key)
    map.delete(key)
    return value
  }
  const discardAll = (candidates: Iterable<Candidate>) =>
    Effect.forEach(candidates, (left) => discard(left, "the network stops"), { discard: true })

  const attempts: Attempts = {
    dial: ({ token }) => run(token, dial(token)),
    greet: (command) =>
      Effect.suspend(() => {
        const candidate = takeOut(dialed, command.token)
        if (candidate === undefined) return Effect.void
        const greeting = greet(speaker, candidate.channel, { ...command, timeout: config.handshakeTimeout })
        return run(command.token, handOver(command.token, candidate, greeting))
      }),
    answer: (command) =>
      Effect.suspend(() => {
        const hailed = takeOut(incoming, command.incoming)
        if (hailed === undefined) return Effect.void
        const answering = answer(speaker, hailed.channel, { ...hailed, timeout: config.handshakeTimeout })
        return run(command.token, handOver(command.token, hailed, answering))
      }),
    refuse: (command) =>
      Effect.suspend(() => {
        const refused = takeOut(incoming, command.incoming)
        return refused === undefined ? Effect.void : discard(refused, command.reason)
      }),
    wait: ({ millis, token }) => run(token, Effect.delay(tell({ _tag: "Due", token }), Duration.millis(millis))),
    cancel: ({ token }) =>
      Effect.flatMap(FiberMap.remove(work, token), () => {
        const candidate = takeOut(dialed, token)
        return candidate === undefined ? Effect.void : discard(candidate, "superseded")
      }),
    keep: (hailed) => {
      incomings += 1
      incoming.set(incomings, hailed)
      return incomings
    },
    isHailed: () => incoming.size > 0,
    abandon: Effect.suspend(() => Effect.zipRight(discardAll(incoming.values()), discardAll(dialed.values())))
  }
  return attempts
})

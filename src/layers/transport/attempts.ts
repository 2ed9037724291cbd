import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { SparseMap } from "../../internal/sparseMap.ts"
import type { Tasks } from "../../internal/tasks.ts"
import type * as LinkMachine from "../../protocol/LinkMachine.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import type { LinkError } from "../../services/Transport.ts"
import type { Greeted, Speaker } from "./greeting.ts"
import { answer, greet } from "./greeting.ts"
import type { Candidate, Incoming, LinkGround, Ready } from "./linkActor.ts"
import { discard } from "./linkActor.ts"
import { failed } from "./linkFailure.ts"
import { metrics } from "./metrics.ts"
import { RestartGuard } from "./restartGuard.ts"

type Command<Tag extends LinkMachine.Command["_tag"]> = Extract<LinkMachine.Command, { readonly _tag: Tag }>

/**
 * The link that the attempts are made for.
 *
 * @internal
 */
export interface AttemptsOwner {
  readonly peerId: PeerId
  readonly hints: ReadonlyArray<string>
  /** Waits until there is room for what a channel brings. */
  readonly room: Effect.Effect<void>
  tell(event: LinkMachine.Event): Effect.Effect<void>
  onReady(token: number, ready: Ready): Effect.Effect<void>
}

const takeOut = <A>(map: SparseMap<number, A>, key: number): A | undefined => {
  const value = map.get(key)
  map.delete(key)
  return value
}

const discardAll = (candidates: Iterable<Candidate>) =>
  Effect.forEach(candidates, (left) => discard(left, "the network stops"), { discard: true })

/**
 * What leads to a greeted channel and takes time, each under the token that the machine gave it.
 *
 * @internal
 */
export class Attempts {
  readonly #owner: AttemptsOwner
  readonly #ground: LinkGround
  readonly #tasks: Tasks
  readonly #guard = new RestartGuard()
  readonly #dialed = new SparseMap<number, Candidate>()
  readonly #incoming = new SparseMap<number, Incoming>()
  #incomings = 0
  /**
   * The same for every handshake of the link, whoever else is removed meanwhile, so that what the first of them said can still be put on
   * record. The link to who is removed ends with its record.
   */
  #introduction: string | undefined

  constructor(owner: AttemptsOwner, ground: LinkGround, tasks: Tasks) {
    this.#owner = owner
    this.#ground = ground
    this.#tasks = tasks
  }

  dial({ token }: Command<"Dial">): Effect.Effect<void> {
    return this.#run(token, this.#dial(token))
  }

  greet(command: Command<"Greet">): Effect.Effect<void> {
    const candidate = takeOut(this.#dialed, command.token)
    if (candidate === undefined) return Effect.void
    const timeout = this.#ground.config.handshakeTimeout
    const greeting = greet(this.#speaker, candidate.channel, { ...command, timeout })
    return this.#run(command.token, this.#handOver(command.token, candidate, greeting))
  }

  answer(command: Command<"Answer">): Effect.Effect<void> {
    const hailed = takeOut(this.#incoming, command.incoming)
    if (hailed === undefined) return Effect.void
    const timeout = this.#ground.config.handshakeTimeout
    const answering = answer(this.#speaker, hailed.channel, { ...hailed, timeout })
    return this.#run(command.token, this.#handOver(command.token, hailed, answering))
  }

  refuse(command: Command<"Refuse">): Effect.Effect<void> {
    const refused = takeOut(this.#incoming, command.incoming)
    return refused === undefined ? Effect.void : discard(refused, command.reason)
  }

  wait({ millis, token }: Command<"Wait">): Effect.Effect<void> {
    return this.#run(token, Effect.delay(this.#owner.tell({ _tag: "Due", token }), Duration.millis(millis)))
  }

  cancel({ token }: Command<"Cancel">): Effect.Effect<void> {
    return Effect.flatMap(this.#tasks.cancel(token), () => {
      const candidate = takeOut(this.#dialed, token)
      return candidate === undefined ? Effect.void : discard(candidate, "superseded")
    })
  }

  /** Keeps a channel that the peer opened until it is answered or refused; the number that it goes by. */
  keep(hailed: Incoming): number {
    this.#incomings += 1
    this.#incoming.set(this.#incomings, hailed)
    return this.#incomings
  }

  /** Whether there is a channel of the peer's that is neither answered nor refused. */
  get isHailed(): boolean {
    return this.#incoming.size > 0
  }

  /** Lets go of all channels that are not greeted. */
  get abandon(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.zipRight(discardAll(this.#incoming.values()), discardAll(this.#dialed.values())))
  }

  /** Runs what takes time under its token; what it fails with is told to the machine. */
  #run(token: number, effect: Effect.Effect<void, LinkError>): Effect.Effect<void> {
    const attempt = effect.pipe(
      Effect.catchAll((error) => {
        metrics.failure(error._tag)
        return this.#owner.tell(failed(token, error))
      }),
      Effect.tapErrorCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("a link attempt died", cause)
      )
    )
    return this.#tasks.run(token, attempt)
  }

  #dial(token: number): Effect.Effect<void, LinkError> {
    const { doorkeeper, scope } = this.#ground
    const { peerId } = this.#owner
    const free = Effect.sync(() => doorkeeper.free(peerId))
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(this, function* () {
        const refusal = doorkeeper.reserve(peerId)
        if (refusal !== undefined) return yield* refusal
        const candidateScope = yield* Scope.fork(scope, { _tag: "Sequential" })
        const channel = yield* restore(Scope.extend(this.#dialing, candidateScope)).pipe(
          Effect.onError(() => Effect.zipRight(free, Scope.close(candidateScope, Exit.void)))
        )
        // Its place is free when the end of the channel begins, not when it is complete.
        yield* Scope.addFinalizer(candidateScope, free)
        this.#dialed.set(token, { channel, scope: candidateScope })
        yield* this.#owner.tell({ _tag: "Dialed", token })
      })
    )
  }

  get #dialing() {
    return Effect.suspend(() => {
      metrics.dials()
      return this.#ground.factory.dial(this.#owner.peerId, this.#owner.hints)
    }).pipe(Effect.withSpan("Transport.dial", { attributes: { peer: this.#owner.peerId } }))
  }

  /** Hands a greeted channel over to the actor; closes it when the handshake fails or is cancelled. */
  #handOver(token: number, candidate: Candidate, greeting: Effect.Effect<Greeted, LinkError>) {
    const { clockwork, config } = this.#ground
    const checked = Effect.tap(greeting, (greeted) =>
      this.#guard.check(clockwork.clock, config.maxIncarnationChangesPerMinute, greeted)
    )
    return Effect.uninterruptibleMask((restore) =>
      restore(Effect.zipLeft(checked, this.#owner.room)).pipe(
        Effect.onError(() => discard(candidate, "no handshake")),
        Effect.flatMap((greeted) => this.#owner.onReady(token, { ...candidate, greeted }))
      )
    )
  }

  get #speaker(): Speaker {
    const { speaker } = this.#ground
    const introduction = (peerId: PeerId): Effect.Effect<string, StoreError> => {
      const known = this.#introduction
      if (known !== undefined) return Effect.succeed(known)
      return Effect.tap(speaker.introduction(peerId), (read) => {
        this.#introduction = read
      })
    }
    return { ...speaker, introduction }
  }
}

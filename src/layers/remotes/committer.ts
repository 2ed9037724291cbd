import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { OnCall, type Roster } from "../../internal/onCall.ts"
import type { Participant, RemoteStore } from "../../services/RemoteStore.ts"
import type { Core } from "./Core.ts"
import type { Placed } from "./staging.ts"
import { stageBody } from "./staging.ts"

/**
 * Commits single messages, as many at once as there are.
 *
 * @internal
 */
export interface Committer {
  /**
   * Gives a message its place, durably; it takes as long as one or two commits. To be called where nothing can be interrupted,
   * so that the caller always learns of it.
   */
  readonly commit: (
    core: Core,
    participant: Participant,
    body: Uint8Array,
    expiresAt?: number
  ) => Effect.Effect<Placed, StoreError | NetworkStoppedError>
}

interface Message {
  readonly core: Core
  readonly participant: Participant
  readonly body: Uint8Array
  readonly expiresAt: number | undefined
}

interface Request {
  readonly message: Message
  readonly placed: Deferred.Deferred<Placed, StoreError | NetworkStoppedError>
}

/** How many messages share a commit at most, so that a turn of the kernel does not wait long behind them. */
const maxBatch = 1024

const label = { package: "effect-remotes", module: "Remotes" }

/**
 * Makes the committer: one for all remotes, because the store commits one transaction at a time. A message that comes while
 * it rests is committed by who brings it, which takes half the time; what comes in the same turn of the scheduler is gathered.
 *
 * @internal
 */
export const makeCommitter = Effect.fnUntraced(function* (store: RemoteStore["Type"], roster: Roster) {
  let gathered: Array<Request> = []
  let waiting: ReadonlyArray<Request> = []
  /** Whether there is nothing to do, and there was a round since a message was committed past it. */
  let resting = true
  let ended = false

  /** The remote may have been removed while the transaction waited for its turn. */
  const place = ({ body, core, expiresAt }: Message): Effect.Effect<Placed, NetworkStoppedError> =>
    core.gone ? new NetworkStoppedError() : Effect.succeed(stageBody(core, body, expiresAt))

  /** One that has no place any more leaves the others theirs. */
  const stage = (message: Message): Effect.Effect<Effect.Effect<Placed, NetworkStoppedError>> =>
    message.core.gone
      ? Effect.succeed(new NetworkStoppedError())
      : Effect.map(store.enlist(message.participant), () => place(message))

  const commitBatch = (batch: ReadonlyArray<Request>) =>
    store.transaction(Effect.forEach(batch, ({ message }) => stage(message))).pipe(
      Effect.matchCause({
        onFailure: (cause) => {
          for (const { placed } of batch) Deferred.unsafeDone(placed, Effect.failCause(cause))
        },
        onSuccess: (places) => {
          batch.forEach(({ placed }, index) => Deferred.unsafeDone(placed, places[index] ?? new NetworkStoppedError()))
        }
      })
    )

  const commitGathered = Effect.gen(function* () {
    waiting = gathered
    gathered = []
    while (waiting.length > 0) {
      yield* commitBatch(waiting.slice(0, maxBatch))
      waiting = waiting.slice(maxBatch)
    }
    resting = gathered.length === 0
  })

  const rounds = new OnCall(roster, label, () => {
    if (gathered.length > 0) return commitGathered
    resting = true
    return Effect.void
  })

  /** For one that comes alone. The next one is gathered until there was a round, or none would ever be. */
  const commitAtOnce = (message: Message): Effect.Effect<Placed, StoreError | NetworkStoppedError> => {
    resting = false
    const leave = <A, E>(exit: Effect.Effect<A, E>): Effect.Effect<A, E> => {
      rounds.call()
      return exit
    }
    const turn = Effect.suspend(() => place(message))
    return Effect.matchCauseEffect(store.transaction(turn, message.participant), {
      onFailure: (cause) => leave(Effect.failCause(cause)),
      onSuccess: (placed) => leave(Effect.succeed(placed))
    })
  }

  const refuse = Effect.sync(() => {
    ended = true
    for (const { placed } of [...waiting, ...gathered]) Deferred.unsafeDone(placed, new NetworkStoppedError())
  })
  yield* Effect.addFinalizer(() => Effect.zipRight(rounds.end, refuse))

  const committer: Committer = {
    commit: (core, participant, body, expiresAt) =>
      Effect.suspend(() => {
        if (ended) return new NetworkStoppedError()
        const message = { core, participant, body, expiresAt }
        if (resting) return commitAtOnce(message)
        const placed = Deferred.unsafeMake<Placed, StoreError | NetworkStoppedError>(FiberId.none)
        gathered.push({ message, placed })
        rounds.call()
        return Deferred.await(placed)
      })
  }
  return committer
})

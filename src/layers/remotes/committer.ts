import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
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
   * Gives a message its place, durably. Not interruptible, so that the caller always learns of it; it takes as long as one or
   * two commits.
   */
  readonly commit: (
    core: Core,
    participant: Participant,
    body: Uint8Array,
    expiresAt?: number
  ) => Effect.Effect<Placed, StoreError | NetworkStoppedError>
}

interface Request {
  readonly core: Core
  readonly participant: Participant
  readonly body: Uint8Array
  readonly expiresAt: number | undefined
  readonly placed: Deferred.Deferred<Placed, StoreError | NetworkStoppedError>
}

/** How many messages share a commit at most, so that a turn of the kernel does not wait long behind them. */
const maxBatch = 1024

/**
 * Makes the committer: one fiber, for all remotes, because the store commits one transaction at a time.
 *
 * @internal
 */
export const makeCommitter = Effect.fnUntraced(function* (store: RemoteStore["Type"]) {
  const requests = yield* Mailbox.make<Request>()
  let waiting: ReadonlyArray<Request> = []

  const commitBatch = (batch: ReadonlyArray<Request>) =>
    store
      .transaction(
        Effect.forEach(batch, ({ body, core, expiresAt, participant }) =>
          core.gone
            ? Effect.succeed(undefined)
            : Effect.map(store.enlist(participant), (): Placed => stageBody(core, body, expiresAt))
        )
      )
      .pipe(
        Effect.matchCause({
          onFailure: (cause) => {
            for (const { placed } of batch) Deferred.unsafeDone(placed, Effect.failCause(cause))
          },
          onSuccess: (places) => {
            batch.forEach(({ placed }, index) => {
              const place = places[index]
              const outcome = place === undefined ? new NetworkStoppedError() : Effect.succeed(place)
              Deferred.unsafeDone(placed, outcome)
            })
          }
        })
      )

  const turn = Effect.gen(function* () {
    const [taken] = yield* requests.takeAll
    waiting = [...taken]
    while (waiting.length > 0) {
      yield* commitBatch(waiting.slice(0, maxBatch))
      waiting = waiting.slice(maxBatch)
    }
  })
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* requests.end
      const left = [...waiting, ...(yield* requests.clear)]
      for (const { placed } of left) Deferred.unsafeDone(placed, Effect.fail(new NetworkStoppedError()))
    })
  )
  yield* Effect.forkScoped(Effect.forever(turn))

  const committer: Committer = {
    commit: (core, participant, body, expiresAt) =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          const placed = yield* Deferred.make<Placed, StoreError | NetworkStoppedError>()
          const taken = yield* requests.offer({ core, participant, body, expiresAt, placed })
          return yield* taken ? Deferred.await(placed) : new NetworkStoppedError()
        })
      )
  }
  return committer
})

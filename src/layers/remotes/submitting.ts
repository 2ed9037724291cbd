import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { ResourceLimitError } from "../../errors/TransportError.ts"
import { andThen } from "../../internal/atOnce.ts"
import type { Delivery } from "../../protocol/Delivery.ts"
import type { Lane } from "../../protocol/Room.ts"
import { laneOf } from "../../protocol/Room.ts"
import type { Content } from "../../protocol/WireMessage.ts"
import * as WireMessage from "../../protocol/WireMessage.ts"
import type { DeliverError, Receipt } from "../../services/RemoteHandle.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Participant, RemoteStore } from "../../services/RemoteStore.ts"
import type { Admission } from "./admission.ts"
import type { Committer } from "./committer.ts"
import { acknowledged } from "./Conversation.ts"
import type { Core } from "./Core.ts"
import type { Placed } from "./staging.ts"
import { stageBody } from "./staging.ts"

/**
 * @internal
 */
export interface SubmitterOptions {
  readonly core: Core
  readonly store: RemoteStore["Type"]
  readonly config: Options
  readonly admission: Admission
  readonly participant: Participant
  readonly committer: Committer
  readonly clock: Clock.Clock
  readonly isStopped: () => boolean
}

/** What this side may say; nothing of it is malformed. */
type Submittable = Exclude<Content, { _tag: "Malformed" }>

const receiptFor = ({ conversation, seq, waiter }: Placed): Receipt => ({
  seq,
  acknowledged: waiter === undefined ? acknowledged(conversation, seq) : Deferred.await(waiter)
})

/** Undefined if it never comes, or not as long as numbers are exact. */
const deadlineIn = (expiresIn: Duration.DurationInput, now: number): number | undefined => {
  const expiresAt = Math.ceil(now + Duration.toMillis(expiresIn))
  return Number.isSafeInteger(expiresAt) ? expiresAt : undefined
}

/**
 * Makes what gives messages their place: durably, in the transaction of the caller's if there is one, and as soon as there is room.
 *
 * @internal
 */
export const makeSubmitter = (options: SubmitterOptions) => {
  const { admission, clock, committer, config, core, participant, store } = options

  const stageInTurn = (
    lane: Lane,
    body: Uint8Array,
    expiresAt: number | undefined
  ): Effect.Effect<Placed, ResourceLimitError> => {
    const objection = admission.objectionInTurn(lane, body.length)
    if (objection !== undefined) return Effect.fail(objection)
    if (core.staged.joined) return Effect.succeed(stageBody(core, body, expiresAt))
    return Effect.map(store.enlist(participant), () => {
      core.staged.joined = true
      return stageBody(core, body, expiresAt)
    })
  }

  /** `commit` gives the message its place, outside of a transaction of the caller's. */
  const submit = (
    content: Submittable,
    lane: Lane,
    inTransaction: boolean,
    commit: (body: Uint8Array) => Effect.Effect<Placed, StoreError | NetworkStoppedError>,
    expiresAt?: number
  ): Effect.Effect<Placed, DeliverError> => {
    if (options.isStopped() || core.gone) return Effect.fail(new NetworkStoppedError())
    const body = WireMessage.encodeBody(content)
    const size = WireMessage.largestFrame(body.length)
    const max = Math.min(config.maxMessageSize, core.largestFrame)
    if (size > max) return Effect.fail(new ResourceLimitError({ limit: "messageSize", current: size, max }))
    return inTransaction ? stageInTurn(lane, body, expiresAt) : admission.enter(lane, body.length, commit(body))
  }

  const submitDelivery = (
    delivery: Delivery,
    expiresIn: Duration.DurationInput | undefined
  ): Effect.Effect<Receipt, DeliverError> =>
    Effect.flatMap(store.inTransaction, (inTransaction) => {
      const expiresAt = expiresIn === undefined ? undefined : deadlineIn(expiresIn, clock.unsafeCurrentTimeMillis())
      const commit = (body: Uint8Array) => committer.commit(core, participant, body, expiresAt)
      const placed = submit({ _tag: "Deliver", delivery }, laneOf(delivery), inTransaction, commit, expiresAt)
      return andThen(placed, (it) => Effect.succeed(receiptFor(it)))
    })

  /** `along` is committed together with the question. */
  const submitQuestion = (question: Submittable, along: Effect.Effect<void, StoreError>) =>
    Effect.flatMap(store.inTransaction, (inTransaction) =>
      submit(question, "ordinary", inTransaction, (body) =>
        store.transaction(
          Effect.gen(function* () {
            // The remote may have been removed while this transaction waited for its turn.
            if (core.gone) return yield* new NetworkStoppedError()
            yield* store.enlist(participant)
            yield* along
            return stageBody(core, body)
          })
        )
      )
    )

  return { submitDelivery, submitQuestion }
}

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { GivenUpError, RemotePendingError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import * as Uuid from "../../internal/uuid.ts"
import type { KernelPort } from "../../services/KernelPort.ts"
import type { RemoteStore } from "../../services/RemoteStore.ts"
import { tellKernel } from "./Converser.ts"
import type { Core } from "./Core.ts"
import { waitingMessages } from "./room.ts"

/**
 * Forgets a peer in one transaction: its record, and in the kernel what it gave; says whether it did. Does nothing if, once the
 * transaction has begun, `mayGo` says no; fails, and changes nothing, while anything is pending. From the commit on nothing can be
 * committed through the handle any more, and who is not on record hears of an incarnation that nobody has heard before: if the peer
 * comes again, it finds a kernel that lost its memory, and forgets as well.
 *
 * @internal
 */
export const removeRemote = ({
  core,
  forget,
  mayGo,
  port,
  questions,
  reason,
  store
}: {
  readonly core: Core
  readonly store: RemoteStore["Type"]
  readonly port: KernelPort["Type"]
  /** How many questions to the peer are not answered at this time. */
  readonly questions: (now: number) => number
  readonly forget: () => void
  /** What the kernel is told. */
  readonly reason: string
  readonly mayGo: Effect.Effect<boolean>
}): Effect.Effect<boolean, RemotePendingError | StoreError> => {
  const { peerId } = core
  const expectNothingPending = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const messages = waitingMessages(core) + core.staged.bodies.length + core.reservedMessages
    const redemptions = questions(now)
    return messages + redemptions === 0
      ? Effect.void
      : Effect.fail(new RemotePendingError({ peerId, messages, redemptions }))
  })
  return store.transaction(
    Effect.gen(function* () {
      if (!(yield* mayGo)) return false
      yield* expectNothingPending
      yield* tellKernel(store, port, peerId, new GivenUpError({ peerId, reason }))
      yield* expectNothingPending
      // Enlisted last, so that what the handle itself may have to write in this transaction goes as well.
      yield* store.enlist({
        prepare: Effect.flatMap(Uuid.fresh, (introduction) => store.removeRemote(peerId, introduction)),
        committed: () => {
          core.gone = true
          forget()
        },
        rolledBack: () => undefined,
        savepoint: () => () => undefined
      })
      return true
    })
  )
}

import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { OutcomeUnknownError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import type { Deadline } from "../../internal/deadline.ts"
import type * as HeldLine from "../../protocol/HeldLine.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { KernelPort } from "../../services/KernelPort.ts"
import type { RemoteStore } from "../../services/RemoteStore.ts"
import type { LinkEvent } from "../../services/Transport.ts"
import { settle } from "./settling.ts"
import type { Receiver } from "./receiving.ts"
import type { Sender } from "./sending.ts"

/**
 * What the reader of a link's events works with.
 *
 * @internal
 */
export interface Converser extends Sender, Receiver {
  readonly wake: () => void
  /** Something changed that people may want to see. */
  readonly notify: () => void
  /** There may be room for more messages. */
  readonly makeRoom: () => void
  /** Passes when something of the peer's has been missing for too long. */
  readonly gapDeadline: Deadline
  /** Passes when settled messages have waited for long enough to be removed from the store. */
  readonly tidy: Deadline
  /** What was taken from the link and comes after what is being worked on. */
  behind: ReadonlyArray<LinkEvent>
  /** Whether the store may get a record of another peer. */
  readonly mayRecord: () => boolean
}

const pauses = Schedule.exponential("100 millis").pipe(Schedule.either(Schedule.spaced("5 seconds")), Schedule.jittered)

/** Tries until the store takes it, after it failed with `error`. */
const tryAgain = <A>({ core, notify }: Converser, effect: Effect.Effect<A, StoreError>, error: StoreError) => {
  let failure: StoreError | undefined = error
  const attempt = Effect.suspend(() => {
    const again = failure === undefined ? effect : Effect.fail(failure)
    failure = undefined
    return again
  })
  return attempt.pipe(
    Effect.tapError((why) =>
      Effect.suspend(() => {
        core.held = true
        notify()
        return Effect.logWarning("the store did not take it; trying again", why)
      })
    ),
    Effect.retry(pauses),
    Effect.orDie
  )
}

/**
 * Tries again for as long as the store does not take it: the line is held, and nothing is lost meanwhile. As long as the store
 * does, nothing of a schedule is set up. `then` goes on.
 *
 * @internal
 */
export const holdLine = <A, B>(
  converser: Converser,
  effect: Effect.Effect<A, StoreError>,
  then: (value: A) => Effect.Effect<B>
): Effect.Effect<B> =>
  Effect.matchEffect(effect, {
    onSuccess: then,
    onFailure: (error) =>
      Effect.flatMap(tryAgain(converser, effect, error), (value) => {
        converser.core.held = false
        return then(value)
      })
  })

/**
 * Tells the kernel of the end of a conversation; if it fails on it, the conversation ends all the same.
 *
 * @internal
 */
export const tellKernel = (
  store: RemoteStore["Type"],
  port: KernelPort["Type"],
  peerId: PeerId,
  why: OutcomeUnknownError
): Effect.Effect<void, StoreError> =>
  Effect.catchAllDefect(store.transaction(port.forget(peerId, why)), (defect) =>
    Effect.logError("the kernel died on being told of a conversation's end", defect)
  )

/**
 * Tells the link whether the peer owes an answer: to what is on its way, or to a redemption that it has taken.
 *
 * @internal
 */
export const expectAnswer = ({ core, link, redemptions }: Converser): void => {
  const { channel, window } = core
  if (channel?.extended !== true) return
  link.expect(channel.number, SendWindow.inFlight(window) > 0 || redemptions.isAwaited)
}

/**
 * Settles what can be settled, and sees to what follows from it.
 *
 * @internal
 */
export const settleNow = (converser: Converser, said?: HeldLine.Said): void => {
  if (!settle(converser.core, said?.arrived, said?.through)) return
  converser.tidy.armOnce()
  converser.makeRoom()
  converser.notify()
}

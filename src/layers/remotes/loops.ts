import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { ProtocolViolationError } from "../../errors/ConnectionError.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Converser } from "./Converser.ts"
import { converse } from "./conversing.ts"
import { isForgettable } from "./Core.ts"
import { flush } from "./sending.ts"

/**
 * @internal
 */
export interface LoopOptions {
  readonly converser: Converser
  /** Open when there may be something to write. */
  readonly awake: Effect.Latch
  /** To be run when something is pending and no channel is open. */
  readonly waiting: Effect.Effect<void>
  /** Called when the peer is gone and left nothing behind. */
  readonly forget: () => void
}

const makeWriter = ({ awake, converser, waiting }: LoopOptions) => {
  const { core, link } = converser
  return Effect.gen(function* () {
    yield* awake.await
    awake.unsafeClose()
    if (core.channel !== undefined) return yield* flush(converser)
    if (SendWindow.pending(core.window) === 0) return
    yield* waiting
    yield* link.want
  })
}

const makeReader = ({ converser, forget }: LoopOptions) => {
  const { core, link } = converser
  return Effect.gen(function* () {
    yield* converse(converser, yield* link.take)
    if (core.channel !== undefined || link.peek().length > 0 || !isForgettable(core)) return
    forget()
    // What the link tells from here on is for who comes next.
    return yield* Effect.never
  })
}

/** A bug in here must not end the conversation: the channel is dropped, and the next one brings again what was in hand. */
const recover = ({ core, link }: Converser, cause: Cause.Cause<never>) =>
  Effect.gen(function* () {
    if (Cause.isInterruptedOnly(cause)) return yield* Effect.interrupt
    yield* Effect.logError("a remote's fiber died; its channel is dropped", cause)
    const { channel, peerId } = core
    core.channel = undefined
    const error = new ProtocolViolationError({ peerId, reason: "this side failed on what the peer sent" })
    if (channel !== undefined) yield* link.drop(channel.number, error)
    yield* Effect.sleep("1 second")
  })

/**
 * Runs the reader and the writer of a handle until the scope closes.
 *
 * @internal
 */
export const runLoops = (options: LoopOptions) =>
  Effect.forEach(
    [makeReader(options), makeWriter(options)],
    (loop) =>
      Effect.forkScoped(Effect.forever(Effect.catchAllCause(loop, (cause) => recover(options.converser, cause)))),
    { discard: true }
  ).pipe(
    // Around both, so that they share what it takes up.
    Effect.annotateLogs({ package: "effect-remotes", module: "RemoteHandle", peer: options.converser.core.peerId })
  )

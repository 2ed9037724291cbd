import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { ProtocolViolationError } from "../../errors/ConnectionError.ts"
import { andThen } from "../../internal/atOnce.ts"
import { endlessly } from "../../internal/endless.ts"
import type { Signal } from "../../internal/signal.ts"
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
  readonly awake: Signal
  /** To be run when something is pending and no channel is open. */
  readonly waiting: Effect.Effect<void>
  /** Called when the peer is gone and left nothing behind. */
  readonly forget: () => void
}

const makeWriter = ({ awake, converser, waiting }: LoopOptions) => {
  const { core, link } = converser
  const wantChannel = Effect.zipRight(waiting, link.want)
  return Effect.flatMap(awake.wait, () => {
    awake.lower()
    if (core.channel !== undefined) return flush(converser)
    return SendWindow.pending(core.window) === 0 ? Effect.void : wantChannel
  })
}

const makeReader = ({ converser, forget }: LoopOptions) => {
  const { core, link } = converser
  const look = (): Effect.Effect<void> => {
    if (core.channel !== undefined || link.peek().length > 0 || !isForgettable(core)) return Effect.void
    forget()
    // What the link tells from here on is for who comes next.
    return Effect.never
  }
  return Effect.flatMap(link.take, (events) => andThen(converse(converser, events), look))
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
      Effect.forkScoped(endlessly(Effect.catchAllCause(endlessly(loop), (cause) => recover(options.converser, cause)))),
    { discard: true }
  ).pipe(
    // Around both, so that they share what it takes up.
    Effect.annotateLogs({ package: "effect-remotes", module: "RemoteHandle", peer: options.converser.core.peerId })
  )

import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { ProtocolViolationError } from "../../errors/ConnectionError.ts"
import { andThen } from "../../internal/atOnce.ts"
import { OnCall, type Roster } from "../../internal/onCall.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Link } from "../../services/Transport.ts"
import type { Converser } from "./Converser.ts"
import { converse } from "./conversing.ts"
import { isForgettable } from "./Core.ts"
import { flush } from "./sending.ts"

/**
 * What is done for a handle, while there is something to do.
 *
 * @internal
 */
export interface Loops {
  /** There may be something to write. */
  readonly wake: () => void
  /** There may be something to write, and nothing else is to be done before. */
  readonly wakeNow: () => void
  /** From here on the link is read. */
  readonly begin: () => void
  readonly end: Effect.Effect<void>
}

/**
 * @internal
 */
export interface LoopOptions {
  /** Complete once the loops begin. */
  readonly converser: () => Converser
  readonly roster: Roster
  readonly link: Link
  /** To be run when something is pending and no channel is open. */
  readonly waiting: () => Effect.Effect<void>
  /** Called when the peer is gone and left nothing behind. */
  readonly forget: () => void
}

const write = (converser: Converser, waiting: () => Effect.Effect<void>): Effect.Effect<void> => {
  const { core, link } = converser
  if (core.channel !== undefined) return flush(converser)
  return SendWindow.pending(core.window) === 0 ? Effect.void : Effect.zipRight(waiting(), link.want)
}

const read = (converser: Converser, forget: () => void): Effect.Effect<void> => {
  const { core, link } = converser
  const look = (): Effect.Effect<void> => {
    if (link.peek().length > 0) return read(converser, forget)
    if (core.channel !== undefined || !isForgettable(core)) return Effect.void
    forget()
    // What the link tells from here on is for who comes next.
    return Effect.never
  }
  const events = link.poll()
  return events.length === 0 ? Effect.void : andThen(converse(converser, events), look)
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
 * Makes the reader and the writer of a handle; each has a fiber while it has something to do.
 *
 * @internal
 */
export const makeLoops = ({ converser, forget, link, roster, waiting }: LoopOptions): Loops => {
  const label = { package: "effect-remotes", module: "RemoteHandle", peer: link.peerId }
  const loop = (work: () => Effect.Effect<void>) =>
    new OnCall(roster, label, work, (cause) => recover(converser(), cause))
  const reader = loop(() => read(converser(), forget))
  const writer = loop(() => write(converser(), waiting))
  return {
    wake: () => writer.call(),
    wakeNow: () => writer.callNow(),
    begin: () => {
      link.listen(() => reader.callNow())
      writer.call()
    },
    end: Effect.zipRight(writer.end, reader.end)
  }
}

import * as Effect from "effect/Effect"
import { andThen } from "../../internal/atOnce.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { LinkError, LinkEvent } from "../../services/Transport.ts"
import type { Converser } from "./Converser.ts"
import { forgetFlight } from "./flight.ts"
import { onFrames, onReminded } from "./hearing.ts"
import { onOpened } from "./opening.ts"

const onLost = (converser: Converser, number: number, error: LinkError) =>
  Effect.suspend(() => {
    const { ackDeadline, clock, core, delayedAck, gapDeadline, link, notify } = converser
    if (core.channel?.number === number) {
      core.channel = undefined
      core.activeAt = clock.unsafeCurrentTimeMillis()
    }
    if (core.hungUp === number) core.hungUp = undefined
    if (core.channel === undefined) {
      ackDeadline.disarm()
      delayedAck.disarm()
      gapDeadline.disarm()
      forgetFlight(core)
    }
    notify()
    return SendWindow.pending(core.window) > 0 && error._tag === "StreamInactivityTimeoutError"
      ? link.want
      : Effect.void
  })

/** Frames of one channel that came in several pieces are worked on together. */
const join = (events: ReadonlyArray<LinkEvent>): ReadonlyArray<LinkEvent> => {
  if (events.length === 1) return events
  const joined: Array<LinkEvent> = []
  let frames: Array<Uint8Array> = []
  for (const event of events) {
    const last = joined.at(-1)
    if (event._tag !== "Frames") joined.push(event)
    else if (last?._tag === "Frames" && last.channel === event.channel) frames.push(...event.frames)
    else {
      frames = [...event.frames]
      joined.push({ ...event, frames })
    }
  }
  return joined
}

/**
 * Works through what a link tells, in order.
 *
 * @internal
 */
export const converse = (converser: Converser, events: ReadonlyArray<LinkEvent>): Effect.Effect<void> => {
  const joined = join(events)
  const hear = (event: LinkEvent): Effect.Effect<void> => {
    switch (event._tag) {
      case "Opened":
        return onOpened(converser, event)
      case "Frames":
        return onFrames(converser, event)
      case "Reminded":
        return onReminded(converser, event.channel)
      case "Lost":
        return onLost(converser, event.channel, event.error)
    }
  }
  const from = (index: number): Effect.Effect<void> => {
    const event = joined[index]
    if (event === undefined) return Effect.void
    converser.behind = joined.slice(index + 1)
    return index === joined.length - 1 ? hear(event) : andThen(hear(event), () => from(index + 1))
  }
  return from(0)
}

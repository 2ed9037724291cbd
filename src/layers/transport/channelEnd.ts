import * as Effect from "effect/Effect"
import { excerpt } from "../../errors/excerpt.ts"
import type { Channel, ChannelEnd } from "../../services/ConnectionFactory.ts"
import type { LinkError } from "../../services/Transport.ts"
import { metrics } from "./metrics.ts"

/**
 * Who ended a stream, and why, in words.
 *
 * @internal
 */
export const describeEnd = (end: ChannelEnd): string => {
  if (end.by === "local") {
    return end.error === undefined ? "stream closed locally" : `stream closed locally: ${excerpt(end.error.message)}`
  }
  if (end.clean) return "stream closed by remote (clean)"
  return `stream reset by remote: ${excerpt(end.error?.message ?? "the connection is gone")}`
}

/** What may happen any time and is nobody's fault. */
const isOrdinary = (end: ChannelEnd): boolean => (end.by === "local" ? end.error === undefined : end.clean)

/**
 * Writes the one line that each channel's end gets, once it has ended in both directions.
 *
 * @internal
 */
export const reportEnd = (channel: Channel, why: LinkError | undefined): Effect.Effect<void> =>
  Effect.flatMap(channel.ended, (end) => {
    if (end.by === "remote" && !end.clean) metrics.resets()
    const { address, direction } = channel
    const log = isOrdinary(end) ? Effect.logDebug(describeEnd(end)) : Effect.logInfo(describeEnd(end))
    return Effect.annotateLogs(log, { address, direction, reason: why?._tag ?? "stop" })
  })

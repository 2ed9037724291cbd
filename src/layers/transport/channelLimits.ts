import * as Duration from "effect/Duration"
import type * as Liveness from "../../protocol/Liveness.ts"
import * as Rate from "../../protocol/Rate.ts"
import type { Options } from "../../services/RemotesConfig.ts"

/**
 * What the options mean for a channel in service; the same for all of them. Times are in milliseconds where they are numbers.
 *
 * @internal
 */
export interface ChannelLimits {
  readonly write: Duration.Duration
  readonly writeMillis: number
  readonly inactivity: Duration.Duration
  readonly inactivityMillis: number
  readonly path: Liveness.Settings
  readonly messageRate: Rate.Rate
  readonly byteRate: Rate.Rate
}

/** The inactivity limit never goes below this. */
const inactivityFloor = Duration.seconds(5)

/** No silence on a path means anything that is shorter than this, however fast the path is. */
const leastSilence = 200

/**
 * @internal
 */
export const channelLimits = (options: Options): ChannelLimits => {
  const inactivity = Duration.max(options.streamInactivityTimeout, inactivityFloor)
  const inactivityMillis = Duration.toMillis(inactivity)
  // A path that is asked about moves, so that it never runs into the inactivity limit while it lives.
  const mostSilence = Math.min(Duration.toMillis(options.ackTimeout) / 2, inactivityMillis / 3)
  return {
    write: options.writeTimeout,
    writeMillis: Duration.toMillis(options.writeTimeout),
    inactivity,
    inactivityMillis,
    path: { least: leastSilence, most: Math.max(leastSilence, mostSilence) },
    messageRate: Rate.perSecond(options.maxInboundMessagesPerSecond),
    byteRate: Rate.perSecond(options.maxInboundBytesPerSecond)
  }
}

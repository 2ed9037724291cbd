import * as Duration from "effect/Duration"
import * as FailurePattern from "../../protocol/FailurePattern.ts"
import * as LinkMachine from "../../protocol/LinkMachine.ts"
import type { LinkState } from "../../services/Transport.ts"
import type { OpenChannel } from "./openChannel.ts"

/**
 * How long the peer's transport takes to answer on the channel in service, if there is one and that is known.
 *
 * @internal
 */
export const roundTripOf = (current: OpenChannel | undefined): Duration.Duration | undefined => {
  const smoothed = current?.experience.roundTrip.smoothed
  return smoothed === undefined ? undefined : Duration.millis(smoothed)
}

/**
 * What a link shows of itself.
 *
 * @internal
 */
export const stateOf = (state: LinkMachine.State, current: OpenChannel | undefined): LinkState => {
  const { phase } = state
  const attempt = LinkMachine.attemptOf(state)
  switch (phase._tag) {
    case "Idle":
      return { _tag: "Idle", error: phase.error }
    case "Dialing":
      return { _tag: "Dialing", attempt }
    case "Greeting":
    case "Answering":
      return { _tag: "Handshaking", attempt }
    case "Open":
      return {
        _tag: "Open",
        since: phase.since,
        address: current?.channel.address ?? "",
        relayed: current?.channel.relayed ?? false,
        roundTrip: roundTripOf(current)
      }
    case "BackingOff":
      return {
        _tag: "BackingOff",
        attempt,
        retryAt: phase.retryAt,
        error: phase.error,
        permanent: FailurePattern.isPermanent(state.pattern)
      }
    case "Closed":
      return { _tag: "Closed" }
  }
}

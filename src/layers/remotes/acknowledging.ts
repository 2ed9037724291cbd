import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Converser } from "./Converser.ts"
import { expectAnswer } from "./Converser.ts"
import type { OpenChannel } from "./Core.ts"

/** To a peer of the base profile an ACK goes out at once when this many are owed. */
const acksOwedAtOnce = 16

/**
 * The peer acknowledged something new.
 *
 * @internal
 */
export const noteProgress = (converser: Converser, channel: OpenChannel): void => {
  const { ackDeadline, core } = converser
  channel.rounds = 0
  if (channel.extended) expectAnswer(converser)
  else if (SendWindow.inFlight(core.window) > 0) ackDeadline.arm()
  else ackDeadline.disarm()
}

/**
 * Sees to it that what was received is acknowledged: soon, or at once.
 *
 * @internal
 */
export const oweAck = ({ core, delayedAck, wake }: Converser, repeated: boolean): void => {
  const { channel } = core
  if (channel === undefined) return
  const owed = core.received - channel.acknowledged
  // What was sent upon it may have taken the ACK along.
  if (owed <= 0 && !repeated) return
  if (channel.extended || repeated || owed >= acksOwedAtOnce) channel.ackDue = true
  else if (owed > 0) delayedAck.armOnce()
  wake()
}

import * as Either from "effect/Either"
import * as HeldLine from "../../protocol/HeldLine.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import { noteProgress } from "./acknowledging.ts"
import type { Converser } from "./Converser.ts"
import { settleNow } from "./Converser.ts"
import type { OpenChannel, Sequenced } from "./Core.ts"
import { takeCredit } from "./reading.ts"

const framesBehind = function* ({ behind, link }: Converser, channel: OpenChannel): Generator<Uint8Array> {
  for (const events of [behind, link.peek()]) {
    for (const event of events) {
      if (event._tag !== "Frames" || event.channel !== channel.number) return
      yield* event.frames
    }
  }
}

/**
 * The line is held, but the ACKs in it count: the kernel may be busy for want of the room that they make.
 *
 * @internal
 */
export const takeAcksBehind = (converser: Converser, waiting: ReadonlyArray<Sequenced>): void => {
  const { core, wake } = converser
  const { channel, window } = core
  if (channel === undefined) return
  const said = HeldLine.listen(core.received, waiting, framesBehind(converser, channel))
  if (said.credit !== undefined) takeCredit(channel, said.credit)
  // One of what was never sent is objected to in its turn.
  core.window = Either.getOrElse(SendWindow.acknowledge(window, said.ack), () => window)
  if (core.window.acknowledged > window.acknowledged) noteProgress(converser, channel)
  settleNow(converser, said)
  if (said.through < Infinity) core.window = SendWindow.awaitVerdicts(core.window, said.arrived)
  wake()
}

/**
 * Whether the channel is lost, though what it brought is not worked through.
 *
 * @internal
 */
export const isLostBehind = ({ behind, link }: Converser, channel: OpenChannel): boolean =>
  [behind, link.peek()].some((events) =>
    events.some((event) => event._tag === "Lost" && event.channel === channel.number)
  )

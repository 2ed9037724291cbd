import { metrics } from "../transport/metrics.ts"
import type { Core } from "./Core.ts"
import { waitingMessages } from "./room.ts"

/**
 * Keeps what is pending for a peer in the sums over all remotes, until it ends. `count` is to be called when something may have
 * changed; it costs two comparisons if nothing has.
 *
 * @internal
 */
export const makeTally = (core: Core) => {
  let messages = 0
  let bytes = 0
  const count = (nowMessages: number, nowBytes: number): void => {
    if (nowMessages !== messages) metrics.pendingMessages(nowMessages - messages)
    if (nowBytes !== bytes) metrics.pendingBytes(nowBytes - bytes)
    messages = nowMessages
    bytes = nowBytes
  }
  return {
    count: () => count(waitingMessages(core), core.pendingBytes),
    end: () => count(0, 0)
  }
}

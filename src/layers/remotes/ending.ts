import type { Core } from "./Core.ts"
import * as Outbox from "./Outbox.ts"

/**
 * A message that ended in the store before it was transmitted, and how large it was. Its number stays.
 *
 * @internal
 */
export interface Ended {
  readonly seq: number
  readonly bytes: number
}

/**
 * Of these messages only the numbers are pending from now on.
 *
 * @internal
 */
export const noteEnded = (core: Core, ended: ReadonlyArray<Ended>): void => {
  core.expiries += 1
  for (const { bytes, seq } of ended) {
    core.pendingBytes -= bytes
    core.expired.add(seq)
    Outbox.withdraw(core.outbox, seq)
  }
}

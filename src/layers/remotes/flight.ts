import type { Core } from "./Core.ts"

/**
 * Nothing is on its way: there is another channel, or none.
 *
 * @internal
 */
export const forgetFlight = (core: Core): void => {
  core.sizes.length = 0
  core.skipped.length = 0
  core.sizesFrom = core.window.cursor
  core.bytesInFlight = 0
}

/**
 * Transmission goes on from the window's cursor: what was on its way from there on is so no longer.
 *
 * @internal
 */
export const rewindFlight = (core: Core): void => {
  const kept = Math.max(0, core.window.cursor - core.sizesFrom)
  for (const size of core.sizes.splice(kept)) core.bytesInFlight -= size
  core.skipped = core.skipped.filter((seq) => seq < core.window.cursor)
}

/**
 * Notes that messages of these sizes were transmitted, the first of them number `from`.
 *
 * @internal
 */
export const noteTransmitted = (core: Core, from: number, sizes: ReadonlyArray<number>): void => {
  if (core.sizes.length === 0) core.sizesFrom = from
  for (const size of sizes) {
    core.sizes.push(size)
    core.bytesInFlight += size
  }
}

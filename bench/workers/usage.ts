/**
 * What a worker process has used.
 */
import * as Effect from "effect/Effect"

/** The CPU time of all threads of this process, and its memory; the heap after a collection where the process may ask for one. */
export const usage = Effect.sync(() => {
  globalThis.gc?.()
  const { system, user } = process.cpuUsage()
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
  return { cpuMicros: user + system, rss, heap: heapUsed + Math.max(external, arrayBuffers) }
})

/** A worker must not outlive the bench, however that ends. */
export const endWithParent = Effect.sync(() => process.on("disconnect", () => process.exit(0)))

/**
 * What a worker process has used.
 */
import * as Effect from "effect/Effect"

/** The CPU time of all threads of this process. */
export const cpuTime = Effect.sync(() => {
  const { system, user } = process.cpuUsage()
  return { cpuMicros: user + system }
})

/** A full collection, where the process may ask for one, so that what comes next is not held up by what was before. */
export const collectGarbage = Effect.sync(() => globalThis.gc?.())

/** The memory of this process; the heap after a collection where the process may ask for one, which leaves it slower for a while. */
export const usage = Effect.sync(() => {
  globalThis.gc?.()
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
  return { rss, heap: heapUsed + Math.max(external, arrayBuffers) }
})

/** A worker must not outlive the bench, however that ends. */
export const endWithParent = Effect.sync(() => process.on("disconnect", () => process.exit(0)))

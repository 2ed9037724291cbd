/**
 * What a worker process has used.
 */
import * as Effect from "effect/Effect"

const cpuMicros = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}

/**
 * The CPU time of all threads of this process, and its memory; the heap after a collection where the process may ask for one. What
 * that takes is between `cpuMicros` and `cpuMicrosSince`, so that it need not be counted as anybody's work.
 */
export const usage = Effect.sync(() => {
  const asked = cpuMicros()
  globalThis.gc?.()
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
  return { cpuMicros: asked, cpuMicrosSince: cpuMicros(), rss, heap: heapUsed + Math.max(external, arrayBuffers) }
})

/** A worker must not outlive the bench, however that ends. */
export const endWithParent = Effect.sync(() => process.on("disconnect", () => process.exit(0)))

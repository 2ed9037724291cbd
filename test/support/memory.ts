/** What a process holds, and not what it has not yet thrown away. */
import * as Effect from "effect/Effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")

const isCollector = (it: unknown): it is NonNullable<typeof globalThis.gc> => typeof it === "function"

/**
 * What is in use once everything that is not has been collected. Buffers of a first collection are given back beside the program;
 * only a second one has to wait for that. After one alone, tens of megabytes that nobody holds were counted as held.
 */
export const bytesInUse = Effect.sync(() => {
  if (!isCollector(collect)) throw new Error("this Node has no gc to be had")
  collect()
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
})

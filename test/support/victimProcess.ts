/**
 * Alice as a process of her own, to be attacked. She says at which address she listens and, for each line of her input, how she
 * stands; she lives as long as her input is open.
 */
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import { startKernel } from "./libp2pKernel.ts"
import type { Standing } from "./victim.ts"

/**
 * What is in use once everything that is not has been collected. Buffers of a first collection are given back beside the program;
 * only a second one has to wait for that. After one alone, tens of megabytes that nobody holds were counted as held.
 */
const bytesInUse = Effect.sync(() => {
  if (globalThis.gc === undefined) throw new Error("the victim needs --expose-gc")
  globalThis.gc()
  globalThis.gc()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
})

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

/** What the test's own kernel keeps of each message is no matter of the library's. */
const received: Array<string> = []

const program = Effect.gen(function* () {
  const alice = yield* startKernel("alice", { received, factory: { listen: ["/ip4/127.0.0.1/tcp/0"] } })
  yield* say((yield* alice.addresses)[0] ?? "")
  const stand = Effect.gen(function* () {
    received.length = 0
    const records = yield* alice.store.listRemotes
    const links = yield* alice.transport.peers
    const standing: Standing = {
      bytes: yield* bytesInUse,
      records: records.map(({ peerId }) => peerId),
      links: links.map(({ peerId }) => peerId)
    }
    yield* say(JSON.stringify(standing))
  })
  const lines = createInterface({ input: process.stdin })
  yield* Effect.promise(async () => {
    for await (const _ of lines) await Effect.runPromise(stand)
  })
})

await Effect.runPromise(Effect.scoped(program))

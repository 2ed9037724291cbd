/**
 * Many kernels of ours, or many bare nodes, in one process: each is connected to the same one elsewhere.
 */
import { multiaddr } from "@multiformats/multiaddr"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { Kernel, layerKernel } from "./layerKernel.ts"
import { makeNode } from "./layerRaw.ts"
import { protocols } from "./rawServer.ts"
import * as RawWays from "./rawWays.ts"
import type { Chatter, Gather } from "./requests.ts"
import { collectGarbage } from "./usage.ts"

type Target = Pick<Gather, "peerId" | "address">

export class Crowd extends Context.Tag("bench/Crowd")<
  Crowd,
  {
    readonly gather: (how: Target & Pick<Gather, "kind" | "count">) => Effect.Effect<{ readonly millis: number }>
    readonly chatter: (
      how: Pick<Chatter, "perSecond" | "seconds" | "size">
    ) => Effect.Effect<{ readonly micros: ReadonlyArray<number> }>
  }
>() {}

/** So many at once: more are refused by the number of handshakes that may be under way. */
const atOnce = 4

const newSeed = () => randomBytes(32).toString("hex")

const make = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const kernels: Array<Kernel["Type"]> = []

  const addKernel = (target: Target) =>
    Effect.gen(function* () {
      const options = { seed: newSeed(), file: undefined, maxPendingMessages: 1000, dials: true, crowd: 1 }
      const kernel = Context.get(yield* Layer.buildWithScope(layerKernel(options), scope), Kernel)
      yield* kernel.connect(target)
      kernels.push(kernel)
    })
  const addRaw = ({ address }: Target) =>
    Effect.gen(function* () {
      const node = yield* Effect.provideService(makeNode(newSeed(), 1), Scope.Scope, scope)
      // A kernel dials again by itself.
      const stream = yield* Effect.tryPromise(() => node.dialProtocol(multiaddr(address), protocols.echo)).pipe(
        Effect.retry({ times: 5 }),
        Effect.orDie
      )
      yield* Effect.promise(() => RawWays.echoes(stream, 1, 256))
    })

  return Crowd.of({
    gather: ({ count, kind, ...target }) =>
      Effect.gen(function* () {
        const started = performance.now()
        const add = kind === "kernels" ? addKernel(target) : addRaw(target)
        yield* Effect.replicateEffect(add, count, { concurrency: atOnce, discard: true })
        return { millis: performance.now() - started }
      }),
    chatter: (how) =>
      collectGarbage.pipe(
        Effect.zipRight(Effect.forEach(kernels, (kernel) => kernel.chat(how), { concurrency: "unbounded" })),
        Effect.map((all) => ({ micros: all.flatMap(({ micros }) => micros) }))
      )
  })
})

export const layerCrowd = Layer.scoped(Crowd, make)

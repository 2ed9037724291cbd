/**
 * Worker processes, as the bench sees them.
 */
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Worker from "@effect/platform/Worker"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Path from "node:path"
import type { Bench } from "../Row.ts"
import type { WorkerFailed } from "./failure.ts"
import type { KernelOptions, KernelRequest, RawRequest } from "./requests.ts"
import { BootKernel, BootRaw, Connect, Usage, Whereabouts } from "./requests.ts"

const flags = ["--conditions=effect-remotes-source", "--disable-warning=ExperimentalWarning", "--expose-gc"]

const profiling = (directory: string | undefined) =>
  directory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${directory}`]

const fork = ({ profile }: Bench, program: string) =>
  NodeWorker.layer(() =>
    ChildProcess.fork(Path.join(import.meta.dirname, program), { execArgv: [...flags, ...profiling(profile)] })
  )

/** A worker process. */
export interface Process<Request extends Schema.TaggedRequest.All> {
  readonly ask: Worker.SerializedWorker<Request>["executeEffect"]
  readonly usage: Effect.Effect<typeof Usage.success.Type, WorkerFailed>
}
export type KernelProcess = Process<KernelRequest>
export type RawProcess = Process<RawRequest>

/** A kernel of ours in a process of its own, until the scope closes. */
export const kernel = (bench: Bench, options: KernelOptions): Effect.Effect<KernelProcess, WorkerFailed, Scope.Scope> =>
  Worker.makeSerialized<KernelRequest>({ initialMessage: () => new BootKernel({ options }) }).pipe(
    Effect.provide(fork(bench, "kernel.ts")),
    Effect.map(({ executeEffect }) => ({ ask: executeEffect, usage: executeEffect(new Usage()) }))
  )

/** A bare libp2p node in a process of its own, until the scope closes. */
export const raw = (bench: Bench, seed: string): Effect.Effect<RawProcess, WorkerFailed, Scope.Scope> =>
  Worker.makeSerialized<RawRequest>({ initialMessage: () => new BootRaw({ seed }) }).pipe(
    Effect.provide(fork(bench, "raw.ts")),
    Effect.map(({ executeEffect }) => ({ ask: executeEffect, usage: executeEffect(new Usage()) }))
  )

/** Two processes of a kind that are connected; `near` has dialed `far`. */
export interface Two<Process> {
  readonly near: Process
  readonly far: Process
}

const seeds = { near: "a1".repeat(32), far: "b2".repeat(32) } as const

const limit = 10_000

/** A kernel of ours that has not met anybody yet; it goes with its scope, and its file stays. */
export const lone = (
  bench: Bench,
  name: keyof typeof seeds,
  { file, maxPendingMessages = limit }: Partial<Pick<KernelOptions, "file" | "maxPendingMessages">>
) => {
  const path = file && Path.join(bench.directory, file)
  return kernel(bench, { seed: seeds[name], file: path, maxPendingMessages, dials: name === "near" })
}

/** Two kernels of ours, connected; only `near` sends and dials. */
export const oneWay = Effect.fnUntraced(function* (
  bench: Bench,
  store: "memory" | "sqlite",
  { maxPendingMessages = limit }: Partial<Pick<KernelOptions, "maxPendingMessages">> = {}
) {
  const start = (name: keyof typeof seeds) =>
    lone(bench, name, { file: store === "memory" ? undefined : `${name}.db`, maxPendingMessages })
  const two: Two<KernelProcess> = { near: yield* start("near"), far: yield* start("far") }
  yield* two.near.ask(new Connect(yield* two.far.ask(new Whereabouts())))
  return two
})

/** Two kernels of ours, connected, and each able to send. */
export const kernels = (...how: Parameters<typeof oneWay>) =>
  Effect.tap(oneWay(...how), ({ far, near }) =>
    Effect.flatMap(near.ask(new Whereabouts()), (whereabouts) => far.ask(new Connect(whereabouts)))
  )

/** Two bare nodes, connected. */
export const raws = Effect.fnUntraced(function* (bench: Bench) {
  const two: Two<RawProcess> = { near: yield* raw(bench, seeds.near), far: yield* raw(bench, seeds.far) }
  yield* two.near.ask(new Connect(yield* two.far.ask(new Whereabouts())))
  return two
})

/** Runs some work of two processes, and gives the CPU time that both used for it. */
export const cpuOf = <E, R>(
  work: Effect.Effect<unknown, E, R>,
  { far, near }: Two<{ readonly usage: KernelProcess["usage"] }>
): Effect.Effect<number, E | WorkerFailed, R> =>
  Effect.gen(function* () {
    const total = Effect.zipWith(near.usage, far.usage, (a, b) => a.cpuMicros + b.cpuMicros)
    const before = yield* total
    yield* work
    return (yield* total) - before
  })

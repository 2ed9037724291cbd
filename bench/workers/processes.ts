/**
 * Worker processes, as the bench sees them.
 */
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Worker from "@effect/platform/Worker"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Os from "node:os"
import * as Path from "node:path"
import type { Bench } from "../Row.ts"
import { BenchFailed } from "../Row.ts"
import type { WorkerFailed } from "./failure.ts"
import type { CrowdRequest, KernelOptions, KernelRequest, RawRequest } from "./requests.ts"
import { BootCrowd, BootKernel, BootRaw, Connect, CpuTime, Usage, Whereabouts } from "./requests.ts"

const flags = ["--conditions=effect-remotes-source", "--disable-warning=ExperimentalWarning", "--expose-gc"]

/** The heap may double before V8 collects it as a whole, so that a crowd that collects its garbage before a window does not do so in it. */
const growing = "--heap-growing-percent=100"

/** One of low priority takes only what processor time the others leave. */
export type Priority = "normal" | "low"

const profiling = (directory: string | undefined) =>
  directory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${directory}`]

/**
 * Linux has a policy for what is to run only where nothing else would. A process that merely has the lowest priority is left its turn of
 * some milliseconds when another one wakes, and elsewhere there is only that.
 */
const startYielding = (program: string, execArgv: ReadonlyArray<string>) => {
  if (process.platform === "linux") {
    return ChildProcess.fork(program, { execPath: "chrt", execArgv: ["-i", "0", process.execPath, ...execArgv] })
  }
  const child = ChildProcess.fork(program, { execArgv: [...execArgv] })
  // Before its threads begin, which have the priority that it has by then.
  if (child.pid !== undefined) Os.setPriority(child.pid, Os.constants.priority.PRIORITY_LOW)
  return child
}

/** A worker that ends by itself answers nobody: the row is told, until the worker's scope closes. */
const fork = (
  { died, profile }: Bench,
  program: string,
  { more = [], priority = "normal" }: { readonly more?: ReadonlyArray<string>; readonly priority?: Priority } = {}
) => {
  let expected = false
  const tell = (how: string) => {
    if (!expected) Deferred.unsafeDone(died, Exit.fail(new BenchFailed({ sentence: `The worker ${program} ${how}.` })))
  }
  const start = () => {
    const execArgv = [...flags, ...more, ...profiling(profile)]
    const path = Path.join(import.meta.dirname, program)
    return priority === "low" ? startYielding(path, execArgv) : ChildProcess.fork(path, { execArgv })
  }
  const layer = NodeWorker.layer(() =>
    start()
      .once("error", ({ message }) => tell(`could not be started: ${message}`))
      .once("exit", (code, signal) => tell(signal === null ? `ended with code ${code}` : `was ended by ${signal}`))
  )
  const expectEnd = Effect.addFinalizer(() => Effect.sync(() => (expected = true)))
  return <A, E, R>(make: Effect.Effect<A, E, R>) => Effect.zipLeft(Effect.provide(make, layer), expectEnd)
}

/** A worker process. */
export interface Process<Request extends Schema.TaggedRequest.All> {
  readonly ask: Worker.SerializedWorker<Request>["executeEffect"]
  readonly cpuTime: Effect.Effect<typeof CpuTime.success.Type, WorkerFailed>
  readonly usage: Effect.Effect<typeof Usage.success.Type, WorkerFailed>
}
export type KernelProcess = Process<KernelRequest>
export type RawProcess = Process<RawRequest>
export type CrowdProcess = Pick<Process<CrowdRequest>, "ask">

/** A kernel of ours in a process of its own, until the scope closes. */
export const kernel = (
  bench: Bench,
  options: KernelOptions,
  priority: Priority = "normal"
): Effect.Effect<KernelProcess, WorkerFailed, Scope.Scope> =>
  Worker.makeSerialized<KernelRequest>({ initialMessage: () => new BootKernel({ options }) }).pipe(
    fork(bench, "kernel.ts", { priority }),
    Effect.map(({ executeEffect }) => ({
      ask: executeEffect,
      cpuTime: executeEffect(new CpuTime()),
      usage: executeEffect(new Usage())
    }))
  )

/** A bare libp2p node in a process of its own, until the scope closes. */
export const raw = (bench: Bench, seed: string, crowd?: number): Effect.Effect<RawProcess, WorkerFailed, Scope.Scope> =>
  Worker.makeSerialized<RawRequest>({ initialMessage: () => new BootRaw({ seed, crowd }) }).pipe(
    fork(bench, "raw.ts"),
    Effect.map(({ executeEffect }) => ({
      ask: executeEffect,
      cpuTime: executeEffect(new CpuTime()),
      usage: executeEffect(new Usage())
    }))
  )

/** Nobody yet, in a process of its own, until the scope closes. */
export const crowd = (bench: Bench): Effect.Effect<CrowdProcess, WorkerFailed, Scope.Scope> =>
  Worker.makeSerialized<CrowdRequest>({ initialMessage: () => new BootCrowd({}) }).pipe(
    fork(bench, "crowd.ts", { more: [growing] }),
    Effect.map(({ executeEffect }) => ({ ask: executeEffect }))
  )

/** Two processes of a kind that are connected; `near` has dialed `far`. */
export interface Two<Process> {
  readonly near: Process
  readonly far: Process
}

export const seeds = { near: "a1".repeat(32), far: "b2".repeat(32), warm: "c3".repeat(32) } as const

const limit = 10_000

type How = Pick<KernelOptions, "isObserved" | "maxPendingMessages" | "busyPolling">

/** A kernel of ours that has not met anybody yet; it goes with its scope, and its file stays. */
export const lone = (
  bench: Bench,
  name: keyof typeof seeds,
  { file, maxPendingMessages = limit, ...how }: Partial<How & Pick<KernelOptions, "file">>
) => {
  const path = file && Path.join(bench.directory, file)
  return kernel(bench, { ...how, seed: seeds[name], file: path, maxPendingMessages, dials: name === "near" })
}

/** Two kernels of ours, connected; only `near` sends and dials. */
export const oneWay = Effect.fnUntraced(function* (bench: Bench, store: "memory" | "sqlite", how: Partial<How> = {}) {
  const start = (name: keyof typeof seeds) =>
    lone(bench, name, { ...how, file: store === "memory" ? undefined : `${name}.db` })
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

/** Runs some work of two processes, and gives beside what it gave the CPU time that both used for it. */
export const withCpu = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  { far, near }: Two<{ readonly cpuTime: KernelProcess["cpuTime"] }>
): Effect.Effect<{ readonly done: A; readonly cpuMicros: number }, E | WorkerFailed, R> =>
  Effect.gen(function* () {
    const total = Effect.zipWith(near.cpuTime, far.cpuTime, (a, b) => a.cpuMicros + b.cpuMicros)
    const before = yield* total
    const done = yield* work
    return { done, cpuMicros: (yield* total) - before }
  })

/** The CPU time that two processes use for some work. */
export const cpuOf = <E, R>(...work: Parameters<typeof withCpu<unknown, E, R>>) =>
  Effect.map(withCpu(...work), ({ cpuMicros }) => cpuMicros)

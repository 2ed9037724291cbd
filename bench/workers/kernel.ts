/**
 * A kernel of ours as a process of its own.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as WorkerRunner from "@effect/platform/WorkerRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Kernel, layerKernel } from "./layerKernel.ts"
import { KernelRequest } from "./requests.ts"
import { cpuTime, endWithParent, usage } from "./usage.ts"

const handlers = WorkerRunner.layerSerialized(KernelRequest, {
  InitialMessage: ({ options }) => layerKernel(options),
  CpuTime: () => cpuTime,
  Usage: () => usage,
  Whereabouts: () => Effect.flatMap(Kernel, (kernel) => kernel.whereabouts),
  Connect: (target) => Effect.flatMap(Kernel, (kernel) => kernel.connect(target)),
  Send: (how) => Effect.flatMap(Kernel, (kernel) => kernel.send(how)),
  RoundTrips: (how) => Effect.flatMap(Kernel, (kernel) => kernel.roundTrips(how)),
  Acknowledged: (how) => Effect.flatMap(Kernel, (kernel) => kernel.acknowledged(how)),
  Resume: (how) => Effect.flatMap(Kernel, (kernel) => kernel.resume(how)),
  Enqueue: (how) => Effect.flatMap(Kernel, (kernel) => kernel.enqueue(how)),
  Flood: ({ size }) => Effect.flatMap(Kernel, (kernel) => kernel.flood(size)),
  Sent: () => Effect.flatMap(Kernel, (kernel) => kernel.sent),
  Started: () => Effect.map(Kernel, ({ startMillis }) => ({ millis: startMillis }))
})

endWithParent.pipe(
  Effect.zipRight(WorkerRunner.launch(Layer.provide(handlers, NodeWorkerRunner.layer))),
  NodeRuntime.runMain
)

/**
 * A bare libp2p node as a process of its own, with the same options as a kernel's: what ours is measured against.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as WorkerRunner from "@effect/platform/WorkerRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layerRaw, Raw } from "./layerRaw.ts"
import { RawRequest } from "./requests.ts"
import { syncs } from "./syncs.ts"
import { cpuTime, endWithParent, usage } from "./usage.ts"

const handlers = WorkerRunner.layerSerialized(RawRequest, {
  InitialMessage: ({ crowd, seed }) => layerRaw(seed, crowd),
  CpuTime: () => cpuTime,
  Usage: () => usage,
  Whereabouts: () => Effect.flatMap(Raw, (raw) => raw.whereabouts),
  Connect: ({ address }) => Effect.flatMap(Raw, (raw) => raw.connect(address)),
  RawSend: (how) => Effect.flatMap(Raw, (raw) => raw.send(how)),
  RawEcho: (how) => Effect.flatMap(Raw, (raw) => raw.echo(how)),
  Keep: (how) => Effect.flatMap(Raw, (raw) => raw.keep(how)),
  CommittedEcho: (how) => Effect.flatMap(Raw, (raw) => raw.committedEcho(how)),
  Syncs: syncs
})

endWithParent.pipe(
  Effect.zipRight(WorkerRunner.launch(Layer.provide(handlers, NodeWorkerRunner.layer))),
  NodeRuntime.runMain
)

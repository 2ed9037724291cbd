/**
 * A crowd as a process of its own.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as WorkerRunner from "@effect/platform/WorkerRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Crowd, layerCrowd } from "./layerCrowd.ts"
import { CrowdRequest } from "./requests.ts"
import { endWithParent } from "./usage.ts"

const handlers = WorkerRunner.layerSerialized(CrowdRequest, {
  InitialMessage: () => layerCrowd,
  Gather: (how) => Effect.flatMap(Crowd, (crowd) => crowd.gather(how)),
  Chatter: (how) => Effect.flatMap(Crowd, (crowd) => crowd.chatter(how))
})

endWithParent.pipe(
  Effect.zipRight(WorkerRunner.launch(Layer.provide(handlers, NodeWorkerRunner.layer))),
  NodeRuntime.runMain
)

import { NodeRuntime } from "@effect/platform-node"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Console, Context, Deferred, Effect, Layer } from "effect"
import * as Kernel from "effect-remotes"
import { RemoteStoreSql } from "effect-remotes/sql"

/** A kernel that hands each message's body to `onMessage`, inside the transaction that records its receipt. */
const layerKernel = (onMessage: (body: string) => Effect.Effect<unknown>) =>
  Kernel.RemotesDurable.layer.pipe(
    Layer.provide(Kernel.TransportLinks.layer),
    Layer.provide(Kernel.ConnectionFactoryLibp2p.layer({ listen: ["/ip4/127.0.0.1/tcp/0"] })),
    Layer.provide(Kernel.RemoteIdentityStored.layer()),
    Layer.provide(RemoteStoreSql.layer),
    Layer.provide(SqliteClient.layer({ filename: ":memory:" })), // a file, in a kernel that is to survive
    Layer.provide(
      Layer.succeed(Kernel.KernelPort.KernelPort, {
        receive: (_peer, delivery) => (delivery._tag === "Message" ? onMessage(delivery.methargs.body) : Effect.void),
        redeem: (_peer, reference) => Effect.succeed(reference),
        forget: (_peer, why) => Console.log(why.message)
      })
    )
  )

const program = Effect.gen(function* () {
  const arrived = yield* Deferred.make<string>()
  const alice = Context.get(yield* Layer.build(layerKernel(Console.log)), Kernel.Remotes.Remotes)
  const bob = Context.get(
    yield* Layer.build(layerKernel((body) => Deferred.succeed(arrived, body))),
    Kernel.Remotes.Remotes
  )

  const target = yield* alice.redeemOcapUrl(yield* bob.issueOcapUrl("ro+1"))
  const handle = yield* alice.get(bob.localPeerId)
  const methargs = { body: "hello", slots: [] }
  const receipt = yield* handle.deliver({ _tag: "Message", target, methargs, result: "rp+1" })
  yield* receipt.acknowledged // bob has committed it, and so will not lose it
  yield* Console.log(`bob got: ${yield* Deferred.await(arrived)}`)
})

NodeRuntime.runMain(Effect.scoped(program))

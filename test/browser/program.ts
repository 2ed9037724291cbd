/** A kernel as a page would have it: bundled for browsers by the test beside it, and run there. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  ConnectionFactoryBrowser,
  KernelPort,
  RemoteIdentityStored,
  Remotes,
  RemotesDurable,
  RemoteStoreMemory,
  TransportLinks
} from "effect-remotes/browser"

const kernel = RemotesDurable.layer.pipe(
  Layer.provide(TransportLinks.layer),
  Layer.provide(ConnectionFactoryBrowser.layer()),
  Layer.provide(RemoteIdentityStored.layer()),
  Layer.provide(RemoteStoreMemory.layer),
  Layer.provide(
    Layer.succeed(KernelPort.KernelPort, {
      receive: () => Effect.void,
      redeem: (_, reference) => Effect.succeed(reference),
      forget: () => Effect.void
    })
  )
)

/** Sends one message and waits until it is acknowledged. */
export const greet = (peer: string, hint: string): Promise<void> =>
  Effect.gen(function* () {
    const remotes = Context.get(yield* Layer.build(kernel), Remotes.Remotes)
    const handle = yield* remotes.get(peer, { hints: [hint] })
    const methargs = { body: "hello from a browser", slots: [] }
    const receipt = yield* handle.deliver({ _tag: "Message", target: "ro-1", methargs, result: "rp+1" })
    yield* receipt.acknowledged
  }).pipe(Effect.scoped, Effect.timeout("10 seconds"), Effect.runPromise)

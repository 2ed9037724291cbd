/** What tests of the transport ask of a kernel's links. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { LinkState } from "../../src/services/Transport.ts"
import { handleFor, message } from "./kernel.ts"
import type { Kernel } from "./kernel.ts"

type Peer = Pick<Kernel, "peerId">

export const linkOf = (kernel: Kernel, peer: Peer) => Effect.orDie(kernel.transport.link(peer.peerId))

export const stateOf = (kernel: Kernel, peer: Peer) => Effect.flatMap(linkOf(kernel, peer), (link) => link.state)

/** Waits until the link does this. */
export const until = <Tag extends LinkState["_tag"]>(kernel: Kernel, peer: Peer, tag: Tag) =>
  Effect.flatMap(linkOf(kernel, peer), (link) =>
    link.changes.pipe(
      Stream.filter((state): state is Extract<LinkState, { _tag: Tag }> => state._tag === tag),
      Stream.runHead,
      Effect.flatten,
      Effect.orDie
    )
  )

/** Opens a channel by a message that is acknowledged. */
export const connect = Effect.fnUntraced(function* (from: Kernel, to: Kernel) {
  const handle = yield* handleFor(from, to)
  const receipt = yield* handle.deliver(message("hello"))
  yield* receipt.acknowledged
  return handle
})

/** A peer that speaks the wire by hand, without our transport: what it says and when is up to the test. */
import * as Effect from "effect/Effect"
import * as Frame from "../../src/protocol/Frame.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import * as ConnectionFactoryMemory from "../../src/layers/ConnectionFactoryMemory.ts"
import type { Channel } from "../../src/services/ConnectionFactory.ts"
import { ConnectionFactory } from "../../src/services/ConnectionFactory.ts"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Network } from "../../src/testing/Network.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** One channel, as JSON frames. */
export interface Line {
  readonly channel: Channel
  readonly say: (...frames: ReadonlyArray<unknown>) => Effect.Effect<void>
  /** Takes the next frame. */
  readonly hear: Effect.Effect<unknown>
}

const makeLine = (channel: Channel): Line => {
  const heard: Array<unknown> = []
  const hear: Effect.Effect<unknown> = Effect.suspend(() =>
    heard.length > 0
      ? Effect.sync(() => heard.shift())
      : Effect.flatMap(Effect.orDie(channel.receive), (frames) => {
          for (const frame of frames) heard.push(JSON.parse(decoder.decode(frame)))
          return hear
        })
  )
  return {
    channel,
    say: (...frames) =>
      Effect.orDie(channel.send(Frame.encode(frames.map((frame) => encoder.encode(JSON.stringify(frame)))))),
    hear
  }
}

export interface BasePeer {
  readonly peerId: PeerId.PeerId
  /** Waits for a channel that somebody opens. */
  readonly accept: Effect.Effect<Line, never, Scope.Scope>
  readonly dial: (peer: PeerId.PeerId) => Effect.Effect<Line, never, Scope.Scope>
}

/** Lower than every other peer id in use here, so that its dial wins; `high` is higher. */
export const ids = {
  low: "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN",
  high: "12D3KooWPCyWnZCXR3VGdrQjLr5d8TBaAHD956XZvo6xoCXYB5AR"
} as const

export const startBasePeer = Effect.fnUntraced(function* (id: string) {
  const network = yield* Network
  const peerId = yield* PeerId.fromString(id)
  const context = yield* Layer.build(
    ConnectionFactoryMemory.layerPeer(peerId).pipe(Layer.provide(Layer.succeed(Network, network)))
  )
  const factory = Context.get(context, ConnectionFactory)
  const peer: BasePeer = {
    peerId,
    accept: Effect.map(
      Effect.flatMap(Effect.orDie(factory.incoming.take), (incoming) => incoming.accept),
      makeLine
    ),
    dial: (other) => Effect.map(Effect.orDie(factory.dial(other, [ConnectionFactoryMemory.addressOf(other)])), makeLine)
  }
  return peer
})

export const handshake = (incarnationId: string) => ({ method: "handshake", params: { incarnationId } })
export const handshakeAck = (incarnationId: string) => ({ method: "handshakeAck", params: { incarnationId } })

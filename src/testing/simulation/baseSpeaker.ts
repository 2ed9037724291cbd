import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as ConnectionFactoryMemory from "../../layers/ConnectionFactoryMemory.ts"
import * as Frame from "../../protocol/Frame.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Channel } from "../../services/ConnectionFactory.ts"
import type { DeadLetterReason } from "../../services/RemoteStore.ts"
import type { Network } from "../Network.ts"
import type { Dice } from "./dice.ts"
import { keyOf } from "./history.ts"
import type { Remains } from "./oracle.ts"
import { letterKey } from "./oracle.ts"
import type { World } from "./scene.ts"
import type { Site } from "./site.ts"

/**
 * A peer that speaks the base profile, as an ocap-kernel does: it says much in one direction, and expects to hear soon that it
 * arrived.
 *
 * @internal
 */
export interface BaseSpeaker {
  /** Speaks until it is over, and then for as long as something is not acknowledged. */
  readonly speak: Effect.Effect<void>
  readonly isSettled: () => boolean
  /** What it knows of the fate of its messages. */
  readonly remains: () => Remains
}

/**
 * @internal
 */
export interface BaseSpeakerOptions {
  readonly name: string
  readonly peerId: PeerId
  /** To whom it speaks. */
  readonly to: Site
  readonly dice: Dice
  readonly world: World
  readonly now: () => number
  readonly isOver: () => boolean
}

interface Pending {
  readonly text: string
  /** On which of its channels it was said first. */
  readonly line: number
}

/** An ACK may be put off by 50 ms; the rest is for its way, and for whoever has to work first. */
const soon = 250

/** How often it says everything again that is not acknowledged, in milliseconds. */
const patience = 3000

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const encode = (frames: ReadonlyArray<unknown>) =>
  Frame.encode(frames.map((frame) => encoder.encode(JSON.stringify(frame))))

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const parse = (frame: Uint8Array): Readonly<Record<string, unknown>> => {
  const value: unknown = JSON.parse(decoder.decode(frame))
  return isObject(value) ? value : {}
}

const frameOf = (seq: number, text: string) => ({
  seq,
  method: "deliver",
  params: ["message", "ro-1", { methargs: { body: text, slots: [] }, result: "rp+1" }]
})

/**
 * Puts it on the network, until the scope closes.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function* (
  options: BaseSpeakerOptions
): Effect.fn.Return<BaseSpeaker, never, Network | Scope.Scope> {
  const { dice, isOver, name, now, to, world } = options
  const { history, hintsFor, weather } = world
  const factory = yield* ConnectionFactoryMemory.make(options.peerId)
  const scope = yield* Effect.scope
  const pending = new Map<number, Pending>()
  const letters = new Map<string, DeadLetterReason>()
  let incarnation: string | undefined
  let next = 1
  let count = 0
  let lines = 0
  let line: Channel | undefined
  let isDone = false

  const meet = (incarnationId: unknown): void => {
    if (typeof incarnationId !== "string" || incarnationId === incarnation) return
    if (incarnation !== undefined) {
      for (const { text } of pending.values()) letters.set(letterKey(to.name, text), "PeerRestarted")
      pending.clear()
      next = 1
    }
    incarnation = incarnationId
  }

  const expectSoon = ({ line: said, text }: Pending): void => {
    const committedAt = history.committedAt.get(keyOf(name, to.name, text))
    if (committedAt === undefined || said !== lines || !weather.isCalmSince(committedAt)) return
    const late = now() - committedAt
    if (late > soon) history.problems.push(`${to.name} acknowledged ${text} only after ${late} ms`)
  }

  const hear = (frames: ReadonlyArray<Uint8Array>): void => {
    for (const { ack } of frames.map(parse)) {
      if (typeof ack !== "number") continue
      if (ack >= next) history.problems.push(`${to.name} acknowledged ${ack}, which ${name} never said`)
      for (const [seq, it] of pending) {
        if (seq > ack) break
        expectSoon(it)
        pending.delete(seq)
      }
    }
  }

  // That a channel is gone is found by its reader.
  const write = (frames: ReadonlyArray<unknown>) =>
    line === undefined || frames.length === 0 ? Effect.void : Effect.ignore(line.send(encode(frames)))
  const sayAgain = Effect.suspend(() => write([...pending].map(([seq, { text }]) => frameOf(seq, text))))

  const open = Effect.gen(function* () {
    const its = yield* Scope.fork(scope, ExecutionStrategy.sequential)
    const opening = Effect.gen(function* () {
      const channel = yield* Scope.extend(factory.dial(to.peerId, hintsFor(to.peerId)), its)
      yield* channel.send(encode([{ method: "handshake", params: { incarnationId: name } }]))
      const [answer, ...rest] = yield* Effect.timeout(channel.receive, "10 seconds")
      const params = answer === undefined ? undefined : parse(answer)["params"]
      meet(isObject(params) ? params["incarnationId"] : undefined)
      lines += 1
      line = channel
      hear(rest)
      const read = Effect.forever(Effect.map(channel.receive, hear)).pipe(
        Effect.ignore,
        Effect.zipRight(
          Effect.suspend(() => {
            if (line === channel) line = undefined
            return Scope.close(its, Exit.void)
          })
        )
      )
      yield* Effect.forkIn(read, scope)
    })
    // Whoever is not there now is dialed again later.
    yield* Effect.catchAll(opening, () => Effect.zipRight(Scope.close(its, Exit.void), Effect.sleep(1000)))
  })
  const connect: Effect.Effect<void> = Effect.whileLoop({
    while: () => line === undefined,
    body: () => open,
    step: () => undefined
  })

  const say = Effect.suspend(() => {
    const text = `${name}-${to.name}-${++count}`
    const seq = next
    next += 1
    pending.set(seq, { text, line: line === undefined ? -1 : lines })
    history.note({ from: name, to: to.name, text, seq, state: "accepted", at: now() })
    return Effect.zipRight(write([frameOf(seq, text)]), Effect.sleep(dice.between(5, 40)))
  })
  const deliverAll = Effect.whileLoop({
    while: () => pending.size > 0,
    body: () =>
      Effect.zipRight(
        Effect.sleep(patience),
        Effect.suspend(() => (pending.size === 0 ? Effect.void : Effect.zipRight(connect, sayAgain)))
      ),
    step: () => undefined
  })
  const burst = connect.pipe(
    Effect.zipRight(Effect.suspend(() => Effect.repeatN(say, dice.whole(10, 40)))),
    Effect.zipRight(deliverAll)
  )
  const rest = Effect.suspend(() => Effect.sleep(dice.between(0, 40_000)))

  return {
    speak: Effect.whileLoop({
      while: () => !isOver(),
      body: () => Effect.zipRight(rest, burst),
      step: () => undefined
    }).pipe(
      Effect.zipRight(
        Effect.sync(() => {
          isDone = true
        })
      )
    ),
    isSettled: () => isDone && pending.size === 0,
    remains: () => ({ name, isBase: true, committed: [], letters, refused: new Set(), failure: undefined })
  }
})

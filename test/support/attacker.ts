/** Hostile peers on raw channels of the simulated network, and what is asked of the kernel that they attack. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Frame from "../../src/protocol/Frame.ts"
import type { BasePeer, Line } from "./basePeer.ts"
import type { Kernel } from "./kernel.ts"
import { handleFor, message, startKernel } from "./kernel.ts"
import { connect } from "./link.ts"
import { bytesInUse } from "./memory.ts"

/** What a hello claims; a peer that has met nobody, where nothing else is said. */
export interface Claims {
  readonly session?: Readonly<Record<string, unknown>>
  readonly channel?: Readonly<Record<string, unknown>>
}

const fresh = { with: null, epoch: 0, received: 0, sent: 0, acknowledged: 0, base: 1, next: 1 }

/** The hello of one of ours. */
export const hello = (incarnationId: unknown, claims: Claims = {}) => ({
  method: "handshake",
  params: {
    incarnationId,
    extensions: {
      session: { ...fresh, ...claims.session },
      channel: { process: "evil", dial: 1, after: null, ...claims.channel }
    }
  }
})

export const encoder = new TextEncoder()

/** Frames of any bytes, well framed. */
export const framed = (...payloads: ReadonlyArray<string | Uint8Array>): Uint8Array =>
  Frame.encode(payloads.map((it) => (typeof it === "string" ? encoder.encode(it) : it)))

export const json = (...frames: ReadonlyArray<unknown>): Uint8Array =>
  framed(...frames.map((frame) => JSON.stringify(frame)))

/** Writes bytes as they are; that the other side hangs up is the attack's end, not the test's. */
export const write = ({ channel }: Line, bytes: Uint8Array): Effect.Effect<void> => Effect.ignore(channel.send(bytes))

/** Writes the same again and again, until the other side hangs up. */
export const flood = ({ channel }: Line, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.ignore(Effect.forever(Effect.zipRight(channel.send(bytes), Effect.yieldNow())))

/** A channel that ends with a reset when the test ends: a graceful end would wait for a clock that nobody moves any more. */
export const knock = (attacker: BasePeer, victim: Kernel): Effect.Effect<Line, never, Scope.Scope> =>
  Effect.tap(attacker.dial(victim.peerId), ({ channel }) =>
    Effect.addFinalizer(() => channel.abort(new Error("the test is over")))
  )

/** A channel whose handshake is done. */
export const enter = (
  attacker: BasePeer,
  victim: Kernel,
  greeting: unknown = hello("evil")
): Effect.Effect<Line, never, Scope.Scope> =>
  Effect.gen(function* () {
    const line = yield* knock(attacker, victim)
    yield* line.say(greeting)
    yield* line.hear
    return line
  })

/** Says all the time that it is there, and reads nothing. */
export const chatter = (line: Line): Effect.Effect<void> =>
  Effect.forever(Effect.zipRight(write(line, framed('{"probed":1}')), Effect.sleep("200 millis")))

const sumOf = (name: string, kind: string | undefined) =>
  Effect.map(Metric.snapshot, (pairs) => {
    let sum = 0
    for (const { metricKey, metricState } of pairs) {
      if (metricKey.name !== name) continue
      if (kind !== undefined && !Array.from(metricKey.tags).some(({ value }) => value === kind)) continue
      const state: object = metricState
      if ("count" in state) sum += Number(state.count)
      else if ("value" in state) sum += Number(state.value)
    }
    return sum
  })

/** How often something failed in this process, by the tag of the error. */
export const failures = (tag: string) => sumOf("effect_remotes_failures_total", tag)

/** How many streams were refused unread in this process. */
export const refusals = sumOf("effect_remotes_refusals_total", undefined)

/** How many channels ended uncleanly by the peer or the network in this process. */
export const resets = sumOf("effect_remotes_resets_total", undefined)

/** What has arrived and nobody has read, over all links of this process, in bytes. */
export const inboxBytes = sumOf("effect_remotes_inbox_bytes", undefined)

/** No attacker may make a kernel hold more. */
export const mostHeld = 8 * 1_048_576

const rounds = 10

/**
 * Lets an honest peer and the victim talk while the attack goes on: at least nine of ten messages, each way, are acknowledged
 * within a second of the simulated clock, and no more is held than may be: in the inbox at any time, and in all at the end of the
 * attack, its own side included. That takes collections, so that it can be left out where an attack says too little to weigh.
 */
export const honestBeside = <E, R>(
  victim: Kernel,
  honest: Kernel,
  attack: Effect.Effect<unknown, E, R>,
  isWeighed = true
) =>
  Effect.gen(function* () {
    const weigh = isWeighed ? bytesInUse : Effect.succeed(0)
    const handles = yield* Effect.all([handleFor(victim, honest), handleFor(honest, victim)])
    const before = yield* inboxBytes
    const inUse = yield* weigh
    yield* Effect.forkScoped(attack)
    let inTime = 0
    for (let round = 1; round <= rounds; round += 1) {
      for (const handle of handles) {
        yield* Effect.gen(function* () {
          const since = yield* Clock.currentTimeMillis
          const receipt = yield* handle.deliver(message(`honest ${round}`))
          yield* receipt.acknowledged
          if ((yield* Clock.currentTimeMillis) - since <= 1000) inTime += 1
        }).pipe(Effect.forkScoped)
      }
      yield* TestClock.adjust("100 millis")
      assert.isAtMost((yield* inboxBytes) - before, mostHeld, "bytes held")
    }
    assert.isAtMost((yield* weigh) - inUse, mostHeld, "bytes in use")
    yield* TestClock.adjust("1 second")
    assert.isAtLeast(inTime, 0.9 * 2 * rounds, "honest messages in time")
  })

/** A kernel to be attacked, and an honest one that it knows and has a channel with. */
export const startPair = Effect.fnUntraced(function* (config: Parameters<typeof startKernel>[1] = {}) {
  const alice = yield* startKernel("alice", config)
  const bob = yield* startKernel("bob")
  yield* connect(bob, alice)
  return { alice, bob }
})

/** Nothing durable remains of anybody but the honest peer. */
export const assertOnlyHonestRecords = (victim: Kernel, honest: Kernel) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(
      (yield* victim.store.listRemotes).map(({ peerId }) => peerId),
      [honest.peerId]
    )
    assert.deepStrictEqual(yield* victim.store.listDeadLetters({ afterId: 0, limit: 10 }), [])
  })

/** How many remotes expired so far. */
export const expiredRemotes = sumOf("effect_remotes_expired_remotes_total", undefined)

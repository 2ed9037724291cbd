import * as Effect from "effect/Effect"
import type { Act, Scene } from "./scene.ts"
import { ifSo, inside, reopen } from "./scene.ts"

const dialsBetween = ({ a, b, network }: Scene) => Effect.all([network.dials(a, b), network.dials(b, a)])

/**
 * More dials than these in the time of one fault are not patient: with a wait that doubles from half a second to ten, and is drawn
 * below that, as many fit into 20 s less often than once in 10^12 times.
 */
const mostPatient = 30

/**
 * Dials are taken and dropped, at once or with the handshake. That a dial was taken must not count as a sign of life: whoever
 * dials again without a growing wait is found out, unless something else happened meanwhile that is a reason to dial.
 *
 * @internal
 */
export const dropDials: Act = (scene) =>
  Effect.gen(function* () {
    const { a, b, fault, happened, history, network, other, site, weather } = scene
    const when = fault.strength < 0.5 ? "atOnce" : "answered"
    yield* Effect.all([network.dropDials(a, b, when), network.dropDials(b, a, when)])
    const before = yield* dialsBetween(scene)
    const changes = weather.count
    const wereUp = site.isUp() && other.isUp()
    yield* network.cut(a, b)
    yield* Effect.sleep(fault.lasts)
    const dials = (yield* dialsBetween(scene)).map((count, index) => count - (before[index] ?? 0))
    if (dials.some((count) => count > 0)) happened(fault.kind)
    if (wereUp && weather.count === changes && dials.some((count) => count > mostPatient)) {
      history.problems.push(`${Math.max(...dials)} dials in ${fault.lasts} ms to a peer that drops what it takes`)
    }
    yield* Effect.all([network.dropDials(a, b, "no"), network.dropDials(b, a, "no")])
  })

const saidAtOnce = 60

/**
 * A kernel hands in many messages at once for another; gives whether its life lasted.
 *
 * @internal
 */
export const sayMany = (scene: Scene, count: number): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const number = scene.fresh()
    return inside(scene.site, (life) =>
      Effect.forEach(
        Array.from({ length: count }, (_, index) => `flood-${number}-${index}`),
        (text) => life.send(scene.other.name, text),
        { concurrency: "unbounded", discard: true }
      )
    )
  })

const messagesPerSecond = ({ config }: Scene): number => {
  const { maxInboundMessagesPerSecond = Infinity, maxMessagesPerSecond = Infinity } = config
  return Math.min(maxInboundMessagesPerSecond, maxMessagesPerSecond)
}

/** It has happened if so many were on their way at once that most had to wait for their turn. */
const sayTooMuch = (scene: Scene) =>
  Effect.flatMap(scene.network.openChannels(scene.a, scene.b), (open) =>
    ifSo(
      scene,
      Effect.map(sayMany(scene, saidAtOnce), (all) => all && open > 0 && messagesPerSecond(scene) < saidAtOnce / 2)
    )
  )

/** Somebody asks for the peer again and again, and loses it each time. */
const dialTooOften = (scene: Scene) =>
  Effect.gen(function* () {
    const { a, b, config, network, site } = scene
    const most = config.maxConnectionAttemptsPerMinute ?? 10
    const before = yield* network.dials(a, b)
    for (let count = 0; count < Math.min(most, 30) + 6; count += 1) {
      yield* network.cut(a, b)
      yield* inside(site, reopen(scene, b))
      yield* Effect.sleep(100)
    }
    yield* ifSo(
      scene,
      Effect.map(network.dials(a, b), (dials) => dials - before > most)
    )
  })

/**
 * @internal
 */
export const exceedLimits: Act = (scene) =>
  messagesPerSecond(scene) < Infinity ? sayTooMuch(scene) : dialTooOften(scene)

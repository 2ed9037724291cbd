import * as Effect from "effect/Effect"
import type * as Network from "../Network.ts"
import type { Chaos } from "./chaos.ts"
import type { Fault, FaultKind } from "./kinds.ts"
import { dropDials, exceedLimits, sayMany } from "./limits.ts"
import type { Act, Scene, World } from "./scene.ts"
import { during, ifSo, inside, reopen } from "./scene.ts"

const sleep = (millis: number) => Effect.sleep(millis)

/** It has happened if there was a channel to do it to. */
const onChannel =
  (act: Act): Act =>
  (scene) =>
    Effect.flatMap(scene.network.openChannels(scene.a, scene.b), (open) => {
      if (open > 0) scene.happened(scene.fault.kind)
      return act(scene)
    })

/** It has happened if a dial to the kernel failed meanwhile. */
const atDoor =
  (begin: Act, end: Act): Act =>
  (scene) =>
    Effect.suspend(() => {
      const before = scene.failedDials(scene.a)
      // Without a dial there is no door, and with a channel there is no dial.
      return Effect.zipRight(scene.network.cut(scene.a, scene.b), during(begin, end)(scene)).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            if (scene.failedDials(scene.a) > before) scene.happened(scene.fault.kind)
          })
        )
      )
    })

/** It has happened when the store or the kernel says so. */
const inKernel =
  (change: (chaos: Chaos, strength: number) => void, undo: (chaos: Chaos) => void): Act =>
  ({ fault, site }) =>
    Effect.zipRight(
      Effect.zipRight(
        Effect.sync(() => change(site.chaos, fault.strength)),
        sleep(fault.lasts)
      ),
      Effect.sync(() => undo(site.chaos))
    )

const handler = (does: NonNullable<Chaos["handler"]>["does"]): Act =>
  inKernel(
    (chaos, strength) => {
      chaos.handler = { does, probability: 0.2 + 0.8 * strength }
    },
    (chaos) => {
      chaos.handler = undefined
    }
  )

const store = (what: "busy" | "full" | "failed" | "diesBefore" | "diesAfter", most: number): Act =>
  inKernel(
    (chaos, strength) => {
      chaos[what] = 0.01 + most * strength
    },
    (chaos) => {
      chaos[what] = 0
    }
  )

const slow = (change: (scene: Scene) => Network.Delay): Act =>
  onChannel(
    during(
      (scene) => scene.network.delay(scene.a, scene.b, change(scene)),
      (scene) => scene.network.delay(scene.a, scene.b, scene.ordinary)
    )
  )

/** It goes on with an older store, if there is a copy by then. */
const goBack: Act = (scene) =>
  Effect.gen(function* () {
    const { fault, site } = scene
    site.backUp()
    yield* sleep(fault.lasts)
    if (!(yield* site.kill)) return
    yield* ifSo(scene, Effect.sync(site.restore))
    yield* sleep(fault.strength * 2000)
    yield* site.start
  })

/** It has happened if a channel went through the relay, or if a dial failed meanwhile that was to go through it. */
const loseRelay: Act = (scene) =>
  Effect.gen(function* () {
    const { failedDials, fault, happened, network, other, site } = scene
    const behind = site.relays === undefined ? other : site
    const relays = behind.relays ?? []
    const relay = relays[Math.floor(fault.strength * relays.length)]
    if (relay === undefined) return
    const open = yield* network.openChannels()
    const failed = failedDials(behind.peerId)
    yield* network.cutRelay(relay)
    const hasCut = (yield* network.openChannels()) < open
    yield* sleep(fault.lasts)
    if (hasCut || failedDials(behind.peerId) > failed) happened(fault.kind)
    yield* network.mendRelay(relay)
  })

const floodSize = 30

/** How far a clock is set wrong: back, or ahead, by seconds to ten minutes. */
const clockError = (strength: number): number => {
  const wrong = 2 * strength - 1
  return Math.sign(wrong || 1) * Math.round(1000 + 600_000 * Math.abs(wrong) ** 3)
}

const acts: Record<FaultKind, Act> = {
  cut: onChannel(({ a, b, network }) => network.cut(a, b)),
  reset: onChannel(({ a, b, network }) => network.reset(a, b)),
  halfOpen: onChannel(
    during(
      ({ a, b, network }) => network.partition([[a], [b]]),
      ({ a, b, network }) => Effect.zipRight(network.heal(a, b), network.heal(b, a))
    )
  ),
  asymmetric: onChannel(
    during(
      ({ a, b, network }) => network.silence(a, b, { dials: "unreachable" }),
      ({ a, b, network }) => network.heal(a, b)
    )
  ),
  partition: onChannel(
    during(
      ({ a, network, sites }) =>
        network.partition([[a], [...sites.values()].map(({ peerId }) => peerId).filter((it) => it !== a)], {
          dials: "unreachable"
        }),
      ({ a, network }) => Effect.zipRight(network.heal(a, "all"), network.heal("all", a))
    )
  ),
  delay: slow(({ fault }) => ({ latency: 50 + 1500 * fault.strength })),
  jitter: slow(({ fault }) => ({ latency: 5, jitter: 50 + 1500 * fault.strength })),
  trickle: slow(({ fault }) => ({ latency: 5, bytesPerSecond: 100 + 900 * fault.strength })),
  reorder: onChannel((scene) =>
    Effect.gen(function* () {
      const { a, b, fault, network, ordinary, other, site } = scene
      yield* network.delay(a, b, { latency: 800 + 2000 * fault.strength })
      yield* network.cut(a, b)
      yield* inside(site, ({ transport }) => transport.resetAllBackoffs)
      // The dial takes the way there and back once; then the hello is on its way.
      yield* sleep(850 + 2000 * fault.strength)
      yield* network.delay(a, b, ordinary)
      yield* inside(other, reopen(scene, a))
    })
  ),
  slowReader: handler("isSlow"),
  refusedDial: atDoor(
    ({ a, network }) => network.refuse(a),
    ({ a, network }) => network.welcome(a)
  ),
  hangingDial: atDoor(
    ({ a, network }) => network.hang(a),
    ({ a, network }) => network.welcome(a)
  ),
  droppedDial: dropDials,
  duplicateDial: (scene) => {
    const { a, b, fault, happened, network } = scene
    return Effect.gen(function* () {
      yield* network.duplicateDials(a, b, 1 + Math.round(2 * fault.strength))
      yield* network.cut(a, b)
      const before = yield* network.dials(a, b)
      yield* inside(scene.site, reopen(scene, b))
      yield* sleep(fault.lasts)
      if ((yield* network.dials(a, b)) > before) happened(fault.kind)
      yield* network.duplicateDials(a, b, 0)
    })
  },
  simultaneousDial: (scene) =>
    Effect.gen(function* () {
      const { a, b, happened, network, other, site } = scene
      const before = [yield* network.dials(a, b), yield* network.dials(b, a)] as const
      yield* network.cut(a, b)
      yield* Effect.all([inside(site, reopen(scene, b)), inside(other, reopen(scene, a))], {
        concurrency: 2
      })
      yield* sleep(100)
      const bothDialed = (yield* network.dials(a, b)) > before[0] && (yield* network.dials(b, a)) > before[1]
      if (bothDialed) happened(scene.fault.kind)
    }),
  truncated: onChannel(({ a, b, network }) => network.spoil(a, b, "truncate")),
  oversized: onChannel(({ a, b, network }) => network.spoil(a, b, "oversize")),
  relayCut: loseRelay,
  flood: (scene) => ifSo(scene, sayMany(scene, floodSize)),
  rateLimit: exceedLimits,
  handlerThrows: handler("throws"),
  handlerRejects: handler("rejects"),
  handlerBusy: handler("isBusy"),
  storeBusy: store("busy", 0.9),
  storeFull: store("full", 0.9),
  storeFails: store("failed", 0.9),
  crash: (scene) => ifSo(scene, scene.site.killFor(scene.fault.strength * 4000)),
  crashBoth: (scene) =>
    ifSo(
      scene,
      Effect.map(
        Effect.all([
          scene.site.killFor(scene.fault.strength * 4000),
          scene.other.killFor((1 - scene.fault.strength) * 4000)
        ]),
        ([one, other]) => one && other
      )
    ),
  crashBefore: store("diesBefore", 0.05),
  crashAfter: store("diesAfter", 0.2),
  rollback: goBack,
  unsynced: (scene) => goBack({ ...scene, fault: { ...scene.fault, lasts: Math.min(scene.fault.lasts, 400) } }),
  wipe: (scene) =>
    Effect.gen(function* () {
      const { fault, site } = scene
      if (!(yield* site.kill)) return
      site.loseDisk()
      scene.happened(fault.kind)
      yield* sleep(fault.strength * 2000)
      yield* site.start
    }),
  clockJump: (scene) =>
    Effect.gen(function* () {
      const { fault, happened, site } = scene
      const millis = clockError(fault.strength)
      site.jump(millis)
      happened(fault.kind)
      yield* sleep(fault.lasts)
      site.jump(-millis)
    }),
  sleep: (scene) =>
    Effect.gen(function* () {
      const { fault, happened, site } = scene
      site.sleep()
      yield* sleep(fault.lasts)
      if (site.wake() > 0) happened(fault.kind)
    }),
  giveUp: (scene) => {
    const { b, history, other, site } = scene
    history.givenUp.add(`${site.name}>${other.name}`)
    return ifSo(
      scene,
      inside(site, (life) =>
        Effect.flatMap(life.remotes, (remotes) =>
          Effect.flatMap(remotes.get(b), (handle) => handle.giveUp("the simulation gives up"))
        )
      )
    )
  },
  close: (scene) =>
    Effect.gen(function* () {
      const { b, fault, site } = scene
      yield* ifSo(
        scene,
        inside(site, ({ transport }) => transport.closeConnection(b))
      )
      yield* sleep(fault.lasts)
      yield* inside(site, reopen(scene, b))
    }),
  restart: (scene) =>
    Effect.gen(function* () {
      const { fault, happened, site } = scene
      if (!site.isUp()) return
      yield* site.stop
      happened(fault.kind)
      yield* sleep(fault.lasts / 4)
      yield* site.start
    })
}

/**
 * Lets a fault happen, and end.
 *
 * @internal
 */
export const play = (world: World, fault: Fault): Effect.Effect<void> => {
  const site = world.sites.get(fault.kernel)
  const other = world.sites.get(fault.other)
  if (site === undefined || other === undefined || site === other) return Effect.void
  const scene = { ...world, fault, site, other, a: site.peerId, b: other.peerId }
  const { weather } = world
  const act = Effect.zipRight(
    Effect.sync(() => weather.begin()),
    Effect.ensuring(
      acts[fault.kind](scene),
      Effect.sync(() => weather.end())
    )
  )
  return Effect.zipRight(sleep(fault.at), act)
}

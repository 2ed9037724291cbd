import * as Effect from "effect/Effect"
import type { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type * as RemotesConfig from "../../services/RemotesConfig.ts"
import type * as Network from "../Network.ts"
import type { History } from "./history.ts"
import type { Fault, FaultKind } from "./kinds.ts"
import type { Life } from "./life.ts"
import type { Site } from "./site.ts"
import type { Weather } from "./weather.ts"

/**
 * What faults work on.
 *
 * @internal
 */
export interface World {
  readonly network: Network.Service
  readonly sites: ReadonlyMap<string, Site>
  readonly history: History
  readonly weather: Weather
  /** The options of the kernels. */
  readonly config: typeof RemotesConfig.Options.Encoded
  /** Where a kernel is. */
  readonly hintsFor: (peer: PeerId) => ReadonlyArray<string>
  /** How slow the network is when nothing is wrong with it. */
  readonly ordinary: Network.Delay
  /** Notes that a fault of this kind has had an effect. */
  readonly happened: (kind: FaultKind) => void
  /** How many dials to the peer failed so far. */
  readonly failedDials: (peer: PeerId) => number
  /** Names what is handed in by a fault. */
  readonly fresh: () => number
}

/**
 * A fault, and whom it befalls.
 *
 * @internal
 */
export interface Scene extends World {
  readonly fault: Fault
  readonly site: Site
  readonly other: Site
  readonly a: PeerId
  readonly b: PeerId
}

/**
 * @internal
 */
export type Act = (scene: Scene) => Effect.Effect<void>

/**
 * Holds for as long as the fault lasts.
 *
 * @internal
 */
export const during =
  (begin: Act, end: Act): Act =>
  (scene) =>
    Effect.zipRight(Effect.zipRight(begin(scene), Effect.sleep(scene.fault.lasts)), end(scene))

/**
 * @internal
 */
export const ifSo = (scene: Scene, effect: Effect.Effect<boolean>) =>
  Effect.map(effect, (did) => {
    if (did) scene.happened(scene.fault.kind)
  })

/**
 * What is done in a kernel that may not be there; gives whether it was.
 *
 * @internal
 */
export const inside = <E>(site: Site, work: (life: Life) => Effect.Effect<unknown, E>) =>
  Effect.suspend(() => (site.isUp() ? Effect.isSuccess(site.within(work)) : Effect.succeed(false)))

/**
 * @internal
 */
export const reopen =
  ({ hintsFor }: World, peer: PeerId) =>
  ({ transport }: Life): Effect.Effect<void, NetworkStoppedError> =>
    transport.reconnectPeer(peer, hintsFor(peer))

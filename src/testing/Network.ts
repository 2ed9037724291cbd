/**
 * A simulated network that the kernels of one test share, with every fault that a real one has, on command.
 *
 * Time comes from the Effect `Clock` and randomness from `Random`, so that a run under `TestClock` with a seed repeats
 * exactly. While no delay is set it uses no timer and no fiber.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import * as Core from "../internal/memoryNetwork.ts"
import { type Pipe, type Spoiling, Turn } from "../internal/memoryPipe.ts"
import type { PeerId } from "../protocol/PeerId.ts"

/**
 * One peer, or every one.
 *
 * @since 0.1.0
 * @category models
 */
export type Peers = PeerId | "all"

/**
 * How the network is made. Everything has a default.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether kernels find each other without an address (default: no). */
  readonly discover?: boolean
  /** How many bytes may be unread at the other end of a channel before `send` waits (default 256 KiB). */
  readonly window?: number
  /** How long a dial waits for an answer (default 10 s). */
  readonly dialTimeout?: Duration.DurationInput
  /** How long a graceful close may take (default 1 s). */
  readonly closeTimeout?: Duration.DurationInput
  /** How many events `log` keeps, the newest (default 1,000). */
  readonly logSize?: number
  /** Called with every event as it happens, whatever `logSize` is. */
  readonly onEvent?: (event: NetworkEvent) => void
}

/**
 * How slow a path is: each chunk takes `latency`, and up to `jitter` more, behind the chunks before it; `bytesPerSecond` is
 * the width of each channel on it (default: no limit).
 *
 * @since 0.1.0
 * @category models
 */
export interface Delay {
  readonly latency: Duration.DurationInput
  readonly jitter?: Duration.DurationInput
  readonly bytesPerSecond?: number
}

/**
 * What becomes of dials over a path that is silent: they hang until their deadline, or fail at once with `EHOSTUNREACH`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Silence {
  readonly dials: "hang" | "unreachable"
}

/**
 * Something that happened on the network. `detail` is for people.
 *
 * @since 0.1.0
 * @category models
 */
export interface NetworkEvent {
  /** In milliseconds since the Unix epoch. */
  readonly at: number
  readonly event: "dial" | "dialFailed" | "opened" | "ended" | "fault"
  readonly from: Peers
  readonly to: Peers
  readonly detail: string
}

/**
 * The network, its faults and its books. A fault acts in one step, on what there is and, where it is a state, on what comes
 * later; a later setting goes before an earlier one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Ends every channel between the two, uncleanly and without a word: both sides find the connection gone. */
  readonly cut: (a: Peers, b: Peers) => Effect.Effect<void>
  /** Resets every channel between the two, at both ends. */
  readonly reset: (a: Peers, b: Peers) => Effect.Effect<void>
  /**
   * From now on nothing gets from one to the other, and nobody is told; what is under way still arrives. Room for more
   * data counts as something that gets through, so that a writer whose reader cannot answer stalls. A dial needs both ways.
   */
  readonly silence: (from: Peers, to: Peers, options?: Silence) => Effect.Effect<void>
  /** Ends silences. A channel that lost anything to one is reset, since a stream cannot go on with a hole. */
  readonly heal: (from?: Peers, to?: Peers) => Effect.Effect<void>
  /** Silences both ways between the groups; peers in no group reach everybody. `heal` ends it. */
  readonly partition: (groups: ReadonlyArray<ReadonlyArray<PeerId>>, options?: Silence) => Effect.Effect<void>
  /** Makes a path slow, for what is sent and dialed from now on. A stream never reorders. */
  readonly delay: (from: Peers, to: Peers, delay: Delay) => Effect.Effect<void>
  /** Makes each dial open that many further channels, which the dialer knows nothing of until its scope closes them. */
  readonly duplicateDials: (from: Peers, to: Peers, copies: number) => Effect.Effect<void>
  /**
   * Spoils what one sends to the other next: the stream ends in the middle of it, or a frame that is too large comes in its place.
   * Either costs the channel.
   */
  readonly spoil: (from: Peers, to: Peers, how: "truncate" | "oversize") => Effect.Effect<void>
  /**
   * Makes dials succeed in vain: the channel is gone at once, or as soon as the listener has said more than one thing, which is its part
   * of a handshake.
   */
  readonly dropDials: (from: Peers, to: Peers, when: "atOnce" | "answered" | "no") => Effect.Effect<void>
  /** Takes a relay out of service: every channel through it is gone without a word, and dials through it fail. */
  readonly cutRelay: (relay: string) => Effect.Effect<void>
  /** Ends `cutRelay`; whoever had a place at the relay has it again. */
  readonly mendRelay: (relay: string) => Effect.Effect<void>
  /** Makes dials to the peer fail at once with `DialFailedError` (code `ECONNREFUSED` by default). */
  readonly refuse: (peer: PeerId, code?: string) => Effect.Effect<void>
  /** Makes dials to the peer hang until their deadline. */
  readonly hang: (peer: PeerId) => Effect.Effect<void>
  /** Ends `refuse` and `hang`; dials that hang already stay so. */
  readonly welcome: (peer: PeerId) => Effect.Effect<void>
  /**
   * Kills the kernel: what it has under way is lost, its peers find its channels gone (as soon as the path lets them), its
   * address refuses dials, and its factory fails with `NetworkStoppedError`. A new factory may take its place at once.
   */
  readonly crash: (peer: PeerId) => Effect.Effect<void>
  /** Ends every silence, delay, duplication, dropping, spoiling that is still to come, refusal, hang and cut of a relay. */
  readonly restore: Effect.Effect<void>

  /** How many channels are open at one end at least, between these peers if they are given. */
  readonly openChannels: (a?: Peers, b?: Peers) => Effect.Effect<number>
  /** Whether nothing is left: no channel, no dial that waits, no fiber, no timer. */
  readonly isIdle: Effect.Effect<boolean>
  /** Which kernels are on the network. */
  readonly peers: Effect.Effect<ReadonlyArray<PeerId>>
  /** How often one dialed the other. */
  readonly dials: (from: PeerId, to: PeerId) => Effect.Effect<number>
  /** How many bytes, length prefixes included, left one for the other, whether or not they arrived. */
  readonly bytes: (from: PeerId, to: PeerId) => Effect.Effect<number>
  /** What happened, oldest first; the oldest beyond `logSize` fall out. */
  readonly log: Effect.Effect<ReadonlyArray<NetworkEvent>>

  /** @internal */
  readonly core: Core.MemoryNetwork
}

/**
 * The network that the kernels of one test share.
 *
 * @since 0.1.0
 * @category tags
 */
export class Network extends Context.Tag("effect-remotes/testing/Network")<Network, Service>() {}

const faults = (core: Core.MemoryNetwork) => {
  const fault = (name: string, from: Peers, to: Peers, act: () => void): Effect.Effect<void> =>
    Effect.sync(() => {
      core.record("fault", from, to, name)
      act()
    })
  const silence: Service["silence"] = (from, to, { dials } = { dials: "hang" }) =>
    fault("silence", from, to, () =>
      core.rule("silence", from, to, (path) => {
        path.silenced = dials
      })
    )
  const heal: Service["heal"] = (from = "all", to = "all") => fault("heal", from, to, () => core.heal(from, to))
  const delay: Service["delay"] = (from, to, { bytesPerSecond = Infinity, jitter = 0, latency }) =>
    fault("delay", from, to, () =>
      core.rule("delay", from, to, (path) => {
        path.latency = Duration.toMillis(latency)
        path.jitter = Duration.toMillis(jitter)
        path.bytesPerSecond = bytesPerSecond
      })
    )
  const duplicateDials: Service["duplicateDials"] = (from, to, copies) =>
    fault("duplicateDials", from, to, () =>
      core.rule("duplicateDials", from, to, (path) => {
        path.duplicates = copies
      })
    )
  const spoil = (from: Peers, to: Peers, how: Spoiling) =>
    fault(`spoil: ${how}`, from, to, () =>
      core.rule("spoil", from, to, (path) => {
        path.spoiling = how
      })
    )
  const dropDials: Service["dropDials"] = (from, to, when) =>
    fault(`dropDials: ${when}`, from, to, () =>
      core.rule("dropDials", from, to, (path) => {
        path.dropping = when
      })
    )
  const restore = Effect.all(
    [
      heal(),
      delay("all", "all", { latency: 0 }),
      duplicateDials("all", "all", 0),
      spoil("all", "all", "none"),
      dropDials("all", "all", "no"),
      Effect.sync(() => core.openDoors())
    ],
    { discard: true }
  )
  return {
    silence,
    heal,
    delay,
    duplicateDials,
    spoil,
    dropDials,
    restore,
    cutRelay: (relay: string) => fault(`cutRelay ${relay}`, "all", "all", () => core.cutRelay(relay)),
    mendRelay: (relay: string) => fault(`mendRelay ${relay}`, "all", "all", () => core.mendRelay(relay)),
    cut: (a: Peers, b: Peers) => fault("cut", a, b, () => core.sever(a, b, "vanished")),
    reset: (a: Peers, b: Peers) => fault("reset", a, b, () => core.sever(a, b, "reset")),
    partition: (groups: ReadonlyArray<ReadonlyArray<PeerId>>, options?: Silence) =>
      Effect.forEach(acrossGroups(groups), ([from, to]) => silence(from, to, options), { discard: true }),
    refuse: (peer: PeerId, code = "ECONNREFUSED") => fault("refuse", "all", peer, () => core.door(peer, { code })),
    hang: (peer: PeerId) => fault("hang", "all", peer, () => core.door(peer, "hang")),
    welcome: (peer: PeerId) => fault("welcome", "all", peer, () => core.door(peer, "none")),
    crash: (peer: PeerId) =>
      Effect.suspend(() => {
        const kernel = core.kernels.get(peer)
        core.record("fault", peer, "all", "crash")
        return kernel === undefined ? Effect.void : core.crash(kernel)
      })
  }
}

const acrossGroups = (groups: ReadonlyArray<ReadonlyArray<PeerId>>): Array<readonly [PeerId, PeerId]> =>
  groups.flatMap((group) =>
    group.flatMap((from) => groups.flatMap((other) => (other === group ? [] : other.map((to) => [from, to] as const))))
  )

const countBetween = (core: Core.MemoryNetwork, a: Peers, b: Peers): number => {
  const matches = (from: PeerId, to: PeerId) => (a === "all" || a === from) && (b === "all" || b === to)
  let count = 0
  for (const end of core.ends.keys()) {
    const { direction, localPeerId, peerId } = end
    if (direction === "outbound" && (matches(localPeerId, peerId) || matches(peerId, localPeerId))) count++
  }
  return count
}

/**
 * Makes a network without kernels or faults. Its seed is drawn from `Random` once, here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options: Options = {}): Effect.fn.Return<Service, never, Scope.Scope> {
  const clock = yield* Effect.clock
  const scheduler = yield* FiberRef.get(FiberRef.currentScheduler)
  const generator = new PCGRandom(yield* Random.nextInt)
  const fibers = yield* FiberSet.make<void, never>()
  const fork = yield* FiberSet.runtime(fibers)<never>()
  const ready = new Turn<Pipe>(scheduler, (pipe) => pipe.turn())
  const ground = { clock, ready, fork, random: () => generator.number() }
  const core = new Core.MemoryNetwork(ground, {
    discover: options.discover ?? false,
    window: options.window ?? 262_144,
    dialTimeout: Duration.decode(options.dialTimeout ?? "10 seconds"),
    closeTimeout: Duration.decode(options.closeTimeout ?? "1 second"),
    logSize: options.logSize ?? 1000,
    onEvent: options.onEvent
  })
  return {
    ...faults(core),
    core,
    openChannels: (a = "all", b = "all") => Effect.sync(() => countBetween(core, a, b)),
    isIdle: Effect.map(FiberSet.size(fibers), (it) => it + ready.size + core.ends.size + core.dialing === 0),
    peers: Effect.sync(() => [...core.kernels.keys()]),
    dials: (from, to) => Effect.sync(() => core.path(from, to).dials),
    bytes: (from, to) => Effect.sync(() => core.path(from, to).bytes),
    log: Effect.sync(() => [...core.log])
  }
})

/**
 * A network with these options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (options: Options): Layer.Layer<Network> => Layer.scoped(Network, make(options))

/**
 * A network with the default options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Network> = layerWith({})

import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Mailbox from "effect/Mailbox"
import { NetworkStoppedError } from "../errors/ConnectionError.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { IncomingChannel } from "../services/ConnectionFactory.ts"
import { End } from "./memoryChannel.ts"
import { type Ground, type Path, Pipe } from "./memoryPipe.ts"

/**
 * One peer, or every one.
 *
 * @internal
 */
export type Peers = PeerId | "all"

/**
 * @internal
 */
export interface Settings {
  readonly discover: boolean
  readonly window: number
  readonly dialTimeout: Duration.Duration
  readonly closeTimeout: Duration.Duration
  readonly logSize: number
  readonly onEvent: ((event: NetworkEvent) => void) | undefined
}

/**
 * Something that happened to the network.
 *
 * @internal
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
 * A kernel on the network, from the start of its factory to its end or crash.
 *
 * @internal
 */
export interface Kernel {
  readonly peerId: PeerId
  /** In the order of preference. */
  readonly protocols: ReadonlyArray<string>
  readonly maxFrameSize: number
  readonly incoming: Mailbox.Mailbox<IncomingChannel>
  readonly disconnected: Mailbox.Mailbox<PeerId>
  readonly ends: Set<End>
  /** Ends that a peer opened and nobody has taken. */
  readonly untaken: Set<End>
  /** By which relays alone it can be reached; undefined where it can be dialed itself. */
  readonly relays: ReadonlyArray<string> | undefined
  /** How many of `ends` lead to a peer. */
  readonly connected: Map<PeerId, number>
  /** Fails when the kernel stops or crashes. */
  readonly stopped: Deferred.Deferred<never, NetworkStoppedError>
  running: boolean
}

/** What stands in the way of a dial. */
type Obstacle = "none" | "hang" | { readonly code: string }

interface Rule {
  readonly from: Peers
  readonly to: Peers
  readonly change: (path: Path) => void
}

const covers = (peers: Peers, peer: PeerId): boolean => peers === "all" || peers === peer
const onPath = ({ from, to }: Pick<Rule, "from" | "to">, path: Pick<Path, "from" | "to">): boolean =>
  covers(from, path.from) && covers(to, path.to)

/**
 * Who is on the network, what runs between them, and what is wrong with it. Plain state, changed in single steps.
 *
 * @internal
 */
export class MemoryNetwork {
  readonly settings: Settings
  readonly kernels = new Map<PeerId, Kernel>()
  /** Ends by the end at the other side, as long as one of the two is not over. */
  readonly ends = new Map<End, End>()
  readonly log: Array<NetworkEvent> = []
  /** How many dials are waiting for an answer. */
  dialing = 0
  private readonly ground: Ground
  private readonly paths = new Map<string, Path>()
  private readonly rules = new Map<string, Rule>()
  private readonly doors = new Map<PeerId, Obstacle>()
  /** Ends that are gone as soon as the other end has found out. */
  private readonly doomed = new Set<End>()
  private readonly deadRelays = new Set<string>()

  constructor(ground: Ground, settings: Settings) {
    this.ground = ground
    this.settings = settings
  }

  record(event: NetworkEvent["event"], from: Peers, to: Peers, detail: string): void {
    const { logSize, onEvent } = this.settings
    if (logSize === 0 && onEvent === undefined) return
    const entry: NetworkEvent = { at: this.ground.clock.unsafeCurrentTimeMillis(), event, from, to, detail }
    onEvent?.(entry)
    if (logSize === 0) return
    if (this.log.length >= logSize) this.log.shift()
    this.log.push(entry)
  }

  path(from: PeerId, to: PeerId): Path {
    const key = `${from} ${to}`
    const known = this.paths.get(key)
    if (known !== undefined) return known
    const path: Path = {
      from,
      to,
      latency: 0,
      jitter: 0,
      bytesPerSecond: Infinity,
      silenced: "no",
      duplicates: 0,
      spoiling: "none",
      dropping: "no",
      bytes: 0,
      dials: 0
    }
    for (const rule of this.rules.values()) if (onPath(rule, path)) rule.change(path)
    this.paths.set(key, path)
    return path
  }

  /** Changes one aspect of the paths that there are and of those to come; a later rule goes before an earlier one. */
  rule(aspect: string, from: Peers, to: Peers, change: (path: Path) => void): void {
    const general = from === "all" && to === "all"
    for (const key of this.rules.keys()) {
      if (key === `${aspect} ${from} ${to}` || (general && key.startsWith(`${aspect} `))) this.rules.delete(key)
    }
    this.rules.set(`${aspect} ${from} ${to}`, { from, to, change })
    for (const path of this.paths.values()) if (onPath({ from, to }, path)) change(path)
  }

  heal(from: Peers, to: Peers): void {
    this.rule("silence", from, to, (path) => {
      path.silenced = "no"
    })
    for (const [end, other] of [...this.ends]) {
      if (!end.isTorn() || !onPath({ from, to }, { from: end.localPeerId, to: end.peerId })) continue
      end.lose("reset")
      other.lose("reset")
    }
  }

  /** Ends every channel between these peers, at both ends at once. */
  sever(a: Peers, b: Peers, how: "reset" | "vanished"): void {
    for (const end of [...this.ends.keys()]) {
      const path = { from: end.localPeerId, to: end.peerId }
      if (onPath({ from: a, to: b }, path) || onPath({ from: b, to: a }, path)) end.lose(how)
    }
  }

  door(peer: PeerId, obstacle: Obstacle): void {
    if (obstacle === "none") this.doors.delete(peer)
    else this.doors.set(peer, obstacle)
  }

  openDoors(): void {
    this.doors.clear()
    this.deadRelays.clear()
  }

  /** The relay is gone, and with it every channel through it. */
  cutRelay(relay: string): void {
    this.deadRelays.add(relay)
    for (const end of [...this.ends.keys()]) if (end.relay === relay) end.lose("vanished")
  }

  mendRelay(relay: string): void {
    this.deadRelays.delete(relay)
  }

  obstacle(from: PeerId, to: PeerId, relay: string | undefined): Obstacle {
    if (relay !== undefined && this.deadRelays.has(relay)) return { code: "ECONNREFUSED" }
    const silences = [this.path(from, to).silenced, this.path(to, from).silenced]
    if (silences.includes("unreachable")) return { code: "EHOSTUNREACH" }
    if (silences.includes("hang")) return "hang"
    return this.doors.get(to) ?? this.absence(this.kernels.get(to), relay)
  }

  /** A relay knows only who has a place there, and a kernel behind one is dialed in vain. */
  private absence(kernel: Kernel | undefined, relay: string | undefined): Obstacle {
    if (relay === undefined)
      return kernel?.relays === undefined && kernel !== undefined ? "none" : { code: "ECONNREFUSED" }
    return kernel?.relays?.includes(relay) === true ? "none" : { code: "NO_RESERVATION" }
  }

  /** Opens a channel and puts its other end before the listener; returns the dialer's end. */
  open(dialer: Kernel, listener: Kernel, protocol: string, relay: string | undefined): End {
    const there = new Pipe(this.ground, this.path(dialer.peerId, listener.peerId), this.settings.window)
    const back = new Pipe(this.ground, this.path(listener.peerId, dialer.peerId), this.settings.window)
    const near = this.addEnd(dialer, listener.peerId, {
      direction: "outbound",
      relay,
      protocol,
      incoming: back,
      outgoing: there
    })
    const far = this.addEnd(listener, dialer.peerId, {
      direction: "inbound",
      relay,
      protocol,
      incoming: there,
      outgoing: back
    })
    this.ends.set(near, far)
    this.ends.set(far, near)
    this.record("opened", dialer.peerId, listener.peerId, protocol)
    listener.untaken.add(far)
    if (!listener.incoming.unsafeOffer(this.offered(listener, far)))
      far.abortNow(new Error("too many channels wait to be taken"))
    const { dropping } = there.path
    if (dropping === "atOnce") for (const end of [near, far]) end.lose("vanished")
    if (dropping === "answered") back.breakAfter(1, () => this.doomed.add(far))
    return near
  }

  /** Takes the kernel off the network without a word, as when its process is killed. */
  crash(kernel: Kernel): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.leave(kernel)
      for (const end of [...kernel.ends]) end.vanish()
      return Effect.zipRight(kernel.incoming.shutdown, kernel.disconnected.shutdown)
    })
  }

  /** Takes the kernel off the network in good order. */
  stop(kernel: Kernel): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.leave(kernel)
      for (const end of [...kernel.untaken]) end.abortNow(new NetworkStoppedError())
      return kernel.incoming.shutdown.pipe(
        Effect.zipRight(
          Effect.forEach([...kernel.ends], (end) => end.close, { concurrency: "unbounded", discard: true })
        ),
        Effect.zipRight(kernel.disconnected.shutdown)
      )
    })
  }

  private leave(kernel: Kernel): void {
    kernel.running = false
    if (this.kernels.get(kernel.peerId) === kernel) this.kernels.delete(kernel.peerId)
    Deferred.unsafeDone(kernel.stopped, Exit.fail(new NetworkStoppedError()))
  }

  private addEnd(
    kernel: Kernel,
    peerId: PeerId,
    stream: {
      readonly direction: "inbound" | "outbound"
      readonly relay: string | undefined
      readonly protocol: string
      readonly incoming: Pipe
      readonly outgoing: Pipe
    }
  ): End {
    const end = new End({
      ...stream,
      peerId,
      localPeerId: kernel.peerId,
      maxFrameSize: kernel.maxFrameSize,
      closeTimeout: this.settings.closeTimeout,
      fork: this.ground.fork,
      onDone: (it) => this.endDone(kernel, it)
    })
    kernel.ends.add(end)
    kernel.connected.set(peerId, (kernel.connected.get(peerId) ?? 0) + 1)
    return end
  }

  private endDone(kernel: Kernel, end: End): void {
    kernel.ends.delete(end)
    kernel.untaken.delete(end)
    this.record("ended", end.localPeerId, end.peerId, end.status())
    const left = (kernel.connected.get(end.peerId) ?? 1) - 1
    if (left > 0) kernel.connected.set(end.peerId, left)
    else {
      kernel.connected.delete(end.peerId)
      kernel.disconnected.unsafeOffer(end.peerId)
    }
    const other = this.ends.get(end)
    this.doomed.delete(end)
    if (other !== undefined && this.doomed.delete(other)) other.lose("vanished")
    if (other === undefined || !other.isDone()) return
    for (const over of [end, other]) {
      this.ends.delete(over)
      over.clear()
    }
  }

  private offered(kernel: Kernel, end: End): IncomingChannel {
    let taken = false
    const take = <A>(then: () => A): Effect.Effect<A> =>
      Effect.suspend(() => {
        if (taken) return Effect.dieMessage("an incoming channel is taken once")
        taken = true
        kernel.untaken.delete(end)
        return Effect.sync(then)
      })
    return {
      peerId: end.peerId,
      accept: Effect.acquireRelease(
        take(() => end),
        () => end.close
      ),
      refuse: (error) => take(() => end.abortNow(error))
    }
  }
}

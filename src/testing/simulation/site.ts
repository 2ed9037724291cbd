import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { StoreUnavailableError } from "../../errors/StoreError.ts"
import type { Disk, DiskOperation } from "../../layers/RemoteStoreMemory.ts"
import * as RemoteStoreMemory from "../../layers/RemoteStoreMemory.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type * as RemotesConfig from "../../services/RemotesConfig.ts"
import { Network } from "../Network.ts"
import type { VirtualTime } from "../VirtualTime.ts"
import type { Chaos } from "./chaos.ts"
import { strikes } from "./chaos.ts"
import type { Entry, History } from "./history.ts"
import { keyOf } from "./history.ts"
import type { Life, Program } from "./life.ts"
import * as Lives from "./life.ts"
import { Processor } from "./processor.ts"
import type { Trace } from "./trace.ts"

/**
 * A place where a kernel lives its lives: it is killed and started again, on a disk that outlives it.
 *
 * @internal
 */
export interface Site {
  readonly name: string
  readonly peerId: PeerId
  /** By which relays alone it can be reached; undefined where it can be dialed itself. */
  readonly relays: ReadonlyArray<string> | undefined
  readonly chaos: Chaos
  readonly committed: () => ReadonlyArray<Entry>
  readonly isUp: () => boolean
  readonly deaths: () => number
  /** Why its kernel could not start or live, which is always a bug. */
  readonly failure: () => Cause.Cause<unknown> | undefined
  /** Works with the kernel that lives, as a part of its process: dies with it. */
  readonly within: <A, E>(work: (life: Life) => Effect.Effect<A, E>) => Effect.Effect<A, E | NetworkStoppedError>
  readonly start: Effect.Effect<void>
  /** Stops it in good order. */
  readonly stop: Effect.Effect<void>
  /** Kills the kernel now; gives whether it was there to be killed. It stays away until `start`. */
  readonly kill: Effect.Effect<boolean>
  /** As `kill`, and it is started again after as many milliseconds. */
  readonly killFor: (millis: number) => Effect.Effect<boolean>
  /** Copies the disk with the next commit. */
  readonly backUp: () => void
  /** It goes on with the copy at the next start, if there is one; gives whether. */
  readonly restore: () => boolean
  /** It goes on with an empty disk at the next start, and remembers nothing. */
  readonly loseDisk: () => void
  readonly sleep: () => void
  /** Gives how much waited for it. */
  readonly wake: () => number
  /** The kernel's clock, not the time that passes, goes wrong by as many milliseconds more; its monotonic clock is as ever. */
  readonly jump: (millis: number) => void
}

/**
 * @internal
 */
export interface SiteOptions {
  readonly name: string
  readonly peerId: PeerId
  readonly keySeed: Redacted.Redacted<string>
  readonly program: Program
  readonly config: typeof RemotesConfig.Options.Encoded
  readonly peers: ReadonlyMap<string, PeerId>
  readonly relays: ReadonlyArray<string> | undefined
  readonly hintsFor: (peerId: PeerId) => ReadonlyArray<string>
  readonly time: VirtualTime
  readonly chaos: Chaos
  readonly history: History
  readonly trace: Trace
}

const storeFault = (chaos: Chaos, operation: DiskOperation): StoreError | undefined => {
  if (strikes(chaos, "busy")) return new StoreUnavailableError({ operation, reason: "Busy" })
  if (strikes(chaos, "full")) return new StoreUnavailableError({ operation, reason: "Full" })
  if (operation === "commit" && strikes(chaos, "failed"))
    return new StoreUnavailableError({ operation, reason: "Failed" })
  return undefined
}

const never = Effect.interruptible(Effect.never)

/**
 * @internal
 */
export const make = Effect.fnUntraced(function* (
  options: SiteOptions
): Effect.fn.Return<Site, never, Network | Scope.Scope> {
  const { chaos, history, name, peerId, time, trace } = options
  const network = yield* Network
  const scope = yield* Effect.scope
  const processor = new Processor(time.scheduler)
  const preparing: Array<Entry> = []
  let committed: ReadonlyArray<Entry> = []
  let offset = 0
  let deaths = 0
  /** How often it was started or stopped by somebody. */
  let turns = 0
  let dead = false
  let failure: Cause.Cause<unknown> | undefined
  let running: Fiber.RuntimeFiber<unknown, unknown> | undefined
  let death = yield* Deferred.make<never, NetworkStoppedError>()
  /** A life, and what ends with it: who takes up one that ends in the same moment must not wait for the end of the next. */
  let up = yield* Deferred.make<{ readonly life: Life; readonly death: typeof death }>()
  let isUp = false
  let wantsCopy = false
  let copy: { readonly disk: Disk; readonly committed: ReadonlyArray<Entry> } | undefined

  const now = () => time.now() + offset
  const clock: VirtualTime["clock"] = {
    ...time.clock,
    // Whoever sets a clock sets what time of day it tells; the monotonic one goes on as it was.
    unsafeCurrentTimeMillis: now,
    currentTimeMillis: Effect.sync(now)
  }
  const inProcess = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.withScheduler(Effect.withClock(effect, clock), processor)

  /** Nobody finds the kernel any more, and who worked in it is gone. */
  const leave = Effect.suspend(() => {
    const [before, next] = [death, Deferred.unsafeMake<never, NetworkStoppedError>(FiberId.none)]
    death = next
    if (isUp) up = Deferred.unsafeMake(FiberId.none)
    isUp = false
    return Deferred.fail(before, new NetworkStoppedError())
  })
  /** One life at a time: a start waits until the one before has ended. */
  const gate = Effect.unsafeMakeSemaphore(1)
  const end = gate.withPermits(1)(
    Effect.suspend(() => {
      processor.wake()
      const it = running
      running = undefined
      return Effect.zipRight(leave, it === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(it)))
    })
  )
  const crash = Effect.suspend(() => {
    dead = true
    deaths += 1
    trace.add(name, "dies")
    return Effect.zipRight(network.crash(peerId), leave)
  })
  /** Whoever has started or stopped it meanwhile knows better. */
  const restartAfter = (millis: number) =>
    Effect.suspend(() => {
      const turn = turns
      return end.pipe(
        Effect.zipRight(Effect.sleep(millis)),
        Effect.zipRight(Effect.suspend(() => (turns === turn ? start : Effect.void)))
      )
    })
  /** Called by the kernel's own fibers as well, which cannot wait for their own end. */
  const fall = (millis: number) =>
    Effect.suspend(() =>
      dead
        ? Effect.void
        : Effect.zipRight(crash, Effect.forkIn(time.within(Effect.interruptible(restartAfter(millis))), scope))
    )

  const onCall = (operation: DiskOperation): Effect.Effect<void, StoreError> =>
    Effect.suspend((): Effect.Effect<void, StoreError> => {
      if (dead) return never
      if (operation === "begin") preparing.length = 0
      if (strikes(chaos, "diesBefore")) return Effect.zipRight(fall(chaos.dice.between(0, 4000)), never)
      const fault = storeFault(chaos, operation)
      if (fault === undefined) return Effect.void
      trace.add(name, `store ${fault.message} at ${operation}`)
      return Effect.fail(fault)
    })
  const committing: Effect.Effect<void> = Effect.suspend(() => {
    for (const entry of preparing) {
      trace.add(name, `commits ${describe(entry)}`)
      if (entry._tag === "Sent") history.note({ ...entry, from: name, state: "accepted", at: time.now() })
      if (entry._tag === "Received") history.committedAt.set(keyOf(entry.from, name, entry.text), time.now())
    }
    committed = preparing.length === 0 ? committed : [...committed, ...preparing.splice(0)]
    if (!wantsCopy) return Effect.void
    wantsCopy = false
    return Effect.map(disk.copy, (made) => {
      copy = { disk: made, committed }
    })
  })
  const onDone = (operation: DiskOperation): Effect.Effect<void> =>
    operation === "commit"
      ? Effect.zipRight(
          committing,
          Effect.suspend(() =>
            strikes(chaos, "diesAfter") ? Effect.zipRight(fall(chaos.dice.between(0, 4000)), never) : Effect.void
          )
        )
      : Effect.void
  const emptyDisk = (): Disk => RemoteStoreMemory.makeDisk({ onCall, onDone })
  let disk = emptyDisk()

  const live = Effect.suspend(() =>
    Lives.start({ ...options, disk, now: time.now, preparing, committed: () => committed })
  ).pipe(
    Effect.tap((life) =>
      Effect.suspend(() => {
        isUp = true
        trace.add(name, "is up")
        return Deferred.succeed(up, { life, death })
      })
    ),
    Effect.zipRight(Effect.never),
    Effect.scoped,
    // A store that fails is reported by the layers; whoever started the kernel starts it again.
    Effect.retry({ schedule: Schedule.spaced("1 second"), while: isStoreFailure }),
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) failure = exit.cause
      })
    ),
    Effect.provideService(Network, network)
  )
  const start: Effect.Effect<void> = gate.withPermits(1)(
    Effect.suspend(() => {
      if (running !== undefined) return Effect.void
      turns += 1
      dead = false
      return Effect.map(Effect.forkIn(Effect.interruptible(inProcess(live)), scope), (fiber) => {
        running = fiber
      })
    })
  )

  return {
    name,
    peerId,
    relays: options.relays,
    chaos,
    committed: () => committed,
    isUp: () => isUp,
    deaths: () => deaths,
    failure: () => failure,
    within: (work) =>
      Effect.flatMap(
        Effect.suspend(() => Deferred.await(up)),
        ({ death, life }) => Effect.raceFirst(inProcess(Effect.suspend(() => work(life))), Deferred.await(death))
      ),
    start,
    stop: Effect.suspend(() => {
      trace.add(name, "stops")
      turns += 1
      return end
    }),
    kill: Effect.suspend(() =>
      dead || running === undefined ? Effect.succeed(false) : Effect.as(Effect.zipRight(crash, end), true)
    ),
    killFor: (millis) =>
      Effect.suspend(() => (dead || running === undefined ? Effect.succeed(false) : Effect.as(fall(millis), true))),
    backUp: () => {
      copy = undefined
      wantsCopy = true
    },
    restore: () => {
      wantsCopy = false
      if (copy === undefined) return false
      trace.add(name, `goes back from ${committed.length} to ${copy.committed.length} entries`)
      disk = copy.disk
      committed = copy.committed
      copy = undefined
      history.rolledBack.set(name, time.now())
      history.restored.add(name)
      return true
    },
    loseDisk: () => {
      trace.add(name, "loses its disk")
      disk = emptyDisk()
      committed = []
      copy = undefined
      history.rolledBack.set(name, time.now())
      history.wiped.add(name)
    },
    sleep: () => processor.sleep(),
    wake: () => processor.wake(),
    jump: (millis) => {
      offset += millis
    }
  }
})

const isStoreFailure = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "StoreUnavailableError"

const describe = (entry: Entry): string => {
  switch (entry._tag) {
    case "Received":
      return `${entry.text} from ${entry.from}`
    case "Sent":
      return `${entry.text} for ${entry.to} as ${entry.seq}`
    case "Told":
      return `that ${entry.peer} ended it: ${entry.why}`
    case "Noted":
      return entry.note
  }
}

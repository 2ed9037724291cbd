import * as Effect from "effect/Effect"
import { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import { ResourceLimitError } from "../../errors/TransportError.ts"
import * as Room from "../../protocol/Room.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Core } from "./Core.ts"
import { roomTaken, unacknowledged } from "./room.ts"
import * as Reserve from "./Reserve.ts"
import type { Placed } from "./staging.ts"

/**
 * Lets messages in while there is room for them.
 *
 * @internal
 */
export interface Admission {
  /**
   * Runs `commit` once there is room for a message of `size` bytes; only the wait for room can be interrupted. With the option
   * `overflow: "fail"` it does not wait but fails.
   */
  readonly enter: <E>(
    lane: Room.Lane,
    size: number,
    commit: Effect.Effect<Placed, E>
  ) => Effect.Effect<Placed, E | ResourceLimitError | NetworkStoppedError>
  /** What stands against a message of `size` bytes in the open transaction. */
  readonly objectionInTurn: (lane: Room.Lane, size: number) => ResourceLimitError | undefined
  /** There may be room: who waits looks again. */
  readonly makeRoom: () => void
  /** Nothing is let in any more, and who waits is told. */
  readonly stop: () => void
}

/**
 * @internal
 */
export const makeAdmission = (core: Core, config: Options): Admission => {
  const room = Effect.unsafeMakeLatch(true)
  const { reserve } = core
  let stopped = false

  Reserve.takeFound(reserve, {
    through: core.window.next - 1,
    messages: Math.max(0, SendWindow.pending(core.window) - config.maxPendingMessages),
    bytes: Math.max(0, core.pendingBytes - config.maxPendingBytes)
  })

  const makeRoom = () => room.unsafeOpen()

  const load = (): Room.Load => ({
    messages: roomTaken(core) + core.reservedMessages,
    bytes: core.pendingBytes + core.reservedBytes,
    reservedMessages: reserve.messages,
    reservedBytes: reserve.bytes
  })

  const refusal = (limit: "pendingMessages" | "pendingBytes") =>
    limit === "pendingMessages"
      ? new ResourceLimitError({ limit, current: load().messages, max: config.maxPendingMessages })
      : new ResourceLimitError({ limit, current: load().bytes, max: config.maxPendingBytes })

  type Place = "free" | "reserve"

  /** Takes room for a message, or says what it lacks. */
  const takeRoom = (lane: Room.Lane, size: number): Place | "pendingMessages" | "pendingBytes" => {
    const place = Room.admit(config, load(), lane, size)
    if (place === "free" || place === "reserve") {
      core.reservedMessages += 1
      core.reservedBytes += size
      if (place === "reserve") Reserve.take(reserve, size)
    }
    return place
  }

  /** The message is among what is pending now, or it is not to be. */
  const leave = (place: Place, size: number, placed: Placed | undefined): void => {
    core.reservedMessages -= 1
    core.reservedBytes -= size
    if (place === "reserve") {
      if (placed?.conversation === core.conversation && placed.seq > core.window.settled) {
        Reserve.number(reserve, placed.seq, size)
      } else {
        Reserve.giveBack(reserve, size)
        makeRoom()
      }
    }
    if (Room.admit(config, load(), "ordinary", 0) === "free") makeRoom()
  }

  const enter: Admission["enter"] = <E>(lane: Room.Lane, size: number, commit: Effect.Effect<Placed, E>) =>
    Effect.uninterruptibleMask((restore) => {
      const entered = (place: Place) =>
        Effect.matchCauseEffect(commit, {
          onFailure: (cause) => {
            leave(place, size, undefined)
            return Effect.failCause(cause)
          },
          onSuccess: (placed) => {
            leave(place, size, placed)
            return Effect.succeed(placed)
          }
        })
      const attempt = (): Effect.Effect<Placed, E | ResourceLimitError | NetworkStoppedError> => {
        if (stopped) return Effect.fail(new NetworkStoppedError())
        const place = takeRoom(lane, size)
        if (place === "free" || place === "reserve") return entered(place)
        if (config.overflow === "fail") return Effect.fail(refusal(place))
        room.unsafeClose()
        return Effect.flatMap(restore(room.await), attempt)
      }
      return attempt()
    })

  return {
    enter,
    objectionInTurn: (lane, size) => {
      const open = unacknowledged(core)
      const messages = open.messages + core.staged.bodies.length
      const bytes = open.bytes + core.staged.bytes
      const limit = Room.admitInTurn(config, { ...load(), messages, bytes }, lane, size)
      if (limit === "free" || limit === "reserve") return undefined
      const most = Room.hardLimits(config, lane)
      if (limit === "pendingMessages") return new ResourceLimitError({ limit, current: messages, max: most.messages })
      if (limit === "pendingBytes") return new ResourceLimitError({ limit, current: bytes, max: most.bytes })
      return undefined
    },
    makeRoom,
    stop: () => {
      stopped = true
      makeRoom()
    }
  }
}

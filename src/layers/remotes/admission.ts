import * as Effect from "effect/Effect"
import { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import { ResourceLimitError } from "../../errors/TransportError.ts"
import { uninterruptibleOnce } from "../../internal/masks.ts"
import * as Room from "../../protocol/Room.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Core } from "./Core.ts"
import { roomTaken, unacknowledged } from "./room.ts"
import * as Reserve from "./Reserve.ts"
import type { Placed } from "./staging.ts"

type Place = "free" | "reserve"

/**
 * Lets messages in while there is room for them.
 *
 * @internal
 */
export class Admission {
  readonly #core: Core
  readonly #config: Options
  /** There only while somebody waits. */
  #room: Effect.Latch | undefined
  #isStopped = false

  constructor(core: Core, config: Options) {
    this.#core = core
    this.#config = config
    Reserve.takeFound(core.reserve, {
      through: core.window.next - 1,
      messages: Math.max(0, SendWindow.pending(core.window) - config.maxPendingMessages),
      bytes: Math.max(0, core.pendingBytes - config.maxPendingBytes)
    })
  }

  /**
   * Runs `commit` once there is room for a message of `size` bytes; only the wait for room can be interrupted. With the option
   * `overflow: "fail"` it does not wait but fails.
   */
  enter<E>(
    lane: Room.Lane,
    size: number,
    commit: Effect.Effect<Placed, E>
  ): Effect.Effect<Placed, E | ResourceLimitError | NetworkStoppedError> {
    return uninterruptibleOnce((restore) => {
      const attempt = (): Effect.Effect<Placed, E | ResourceLimitError | NetworkStoppedError> => {
        if (this.#isStopped) return Effect.fail(new NetworkStoppedError())
        const place = this.#take(lane, size)
        if (place === "free" || place === "reserve") return this.#entered(place, size, commit)
        if (this.#config.overflow === "fail") return Effect.fail(this.#refusal(place))
        this.#room ??= Effect.unsafeMakeLatch(false)
        return Effect.flatMap(restore(this.#room.await), attempt)
      }
      return attempt()
    })
  }

  /** What stands against a message of `size` bytes in the open transaction. */
  objectionInTurn(lane: Room.Lane, size: number): ResourceLimitError | undefined {
    const open = unacknowledged(this.#core)
    const messages = open.messages + this.#core.staged.bodies.length
    const bytes = open.bytes + this.#core.staged.bytes
    const limit = Room.admitInTurn(this.#config, { ...this.#load, messages, bytes }, lane, size)
    if (limit === "free" || limit === "reserve") return undefined
    const most = Room.hardLimits(this.#config, lane)
    if (limit === "pendingMessages") return new ResourceLimitError({ limit, current: messages, max: most.messages })
    if (limit === "pendingBytes") return new ResourceLimitError({ limit, current: bytes, max: most.bytes })
    return undefined
  }

  /** There may be room: who waits looks again. */
  makeRoom(): void {
    this.#room?.unsafeOpen()
    this.#room = undefined
  }

  /** Nothing is let in any more, and who waits is told. */
  stop(): void {
    this.#isStopped = true
    this.makeRoom()
  }

  get #load(): Room.Load {
    const { pendingBytes, reserve, reservedBytes, reservedMessages } = this.#core
    return {
      messages: roomTaken(this.#core) + reservedMessages,
      bytes: pendingBytes + reservedBytes,
      reservedMessages: reserve.messages,
      reservedBytes: reserve.bytes
    }
  }

  #refusal(limit: "pendingMessages" | "pendingBytes"): ResourceLimitError {
    const { bytes, messages } = this.#load
    return limit === "pendingMessages"
      ? new ResourceLimitError({ limit, current: messages, max: this.#config.maxPendingMessages })
      : new ResourceLimitError({ limit, current: bytes, max: this.#config.maxPendingBytes })
  }

  /** Takes room for a message, or says what it lacks. */
  #take(lane: Room.Lane, size: number): Room.Admission {
    const place = Room.admit(this.#config, this.#load, lane, size)
    if (place === "free" || place === "reserve") {
      this.#core.reservedMessages += 1
      this.#core.reservedBytes += size
      if (place === "reserve") Reserve.take(this.#core.reserve, size)
    }
    return place
  }

  #entered<E>(place: Place, size: number, commit: Effect.Effect<Placed, E>): Effect.Effect<Placed, E> {
    return Effect.matchCauseEffect(commit, {
      onFailure: (cause) => {
        this.#leave(place, size, undefined)
        return Effect.failCause(cause)
      },
      onSuccess: (placed) => {
        this.#leave(place, size, placed)
        return Effect.succeed(placed)
      }
    })
  }

  /** The message is among what is pending now, or it is not to be. */
  #leave(place: Place, size: number, placed: Placed | undefined): void {
    const core = this.#core
    core.reservedMessages -= 1
    core.reservedBytes -= size
    if (place === "reserve") {
      if (placed?.conversation === core.conversation && placed.seq > core.window.settled) {
        Reserve.number(core.reserve, placed.seq, size)
      } else {
        Reserve.giveBack(core.reserve, size)
        this.makeRoom()
      }
    }
    if (Room.admit(this.#config, this.#load, "ordinary", 0) === "free") this.makeRoom()
  }
}

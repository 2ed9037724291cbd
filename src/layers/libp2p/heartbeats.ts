/**
 * Pings every connection of a node from time to time, so that a peer that is frozen is found where nothing is asked of it.
 *
 * Libp2p's own monitor pings all connections in the same moment, each on a stream that is negotiated anew: a node with many peers does
 * nothing else for a while then. Here each connection has times of its own.
 *
 * @internal
 */
import type { Connection, Startable, TypedEventTarget } from "@libp2p/interface"
import { PING_PROTOCOL } from "@libp2p/ping"
import { toError } from "./errors.ts"

/**
 * What is pinged.
 *
 * @internal
 */
export type Pinged = Pick<Connection, "newStream" | "abort">

/**
 * What is told of connections; libp2p tells more.
 *
 * @internal
 */
export interface Events {
  "connection:open": CustomEvent<Pinged>
  "connection:close": CustomEvent<Pinged>
}

/** How much is sent, and comes back. */
const pingBytes = 32

/** Fails when the answer does not come before the signal. Libp2p's own asks a peer, on whichever of its connections comes first. */
const ping = async (connection: Pinged, signal: AbortSignal): Promise<void> => {
  const stream = await connection.newStream(PING_PROTOCOL, { signal, runOnLimitedConnection: true })
  try {
    await new Promise<void>((resolve, reject) => {
      let missing = pingBytes
      stream.addEventListener("message", ({ data }) => {
        missing -= data.byteLength
        if (missing <= 0) resolve()
      })
      stream.addEventListener("close", ({ error }) => reject(error ?? new Error("the peer did not answer a ping")))
      signal.addEventListener("abort", () => reject(toError(signal.reason)), { once: true })
      stream.send(crypto.getRandomValues(new Uint8Array(pingBytes)))
    })
    await stream.close({ signal })
  } catch (cause) {
    stream.abort(toError(cause))
    throw cause
  }
}

/** A peer that says that it knows no pings is there. */
const isAnswer = ({ name }: Error): boolean => name === "UnsupportedProtocolError"

/** What is used of libp2p's own. */
interface Components {
  readonly events: Pick<TypedEventTarget<Events>, "addEventListener" | "removeEventListener">
}

/** As libp2p starts and stops a service. */
interface Service extends Startable {
  start(): void
  stop(): void
}

/** Multiples of this, modulo 1, lie as evenly as any, however many of them there are (the golden ratio, of Weyl's sequences). */
const stride = (Math.sqrt(5) - 1) / 2

/** From 0 to 1. */
const anywhere = (): number => {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1))
  return random / 2 ** 32
}

/** Pings one connection from time to time. */
class Heartbeat {
  readonly #connection: Pinged
  readonly #interval: number
  /** Until the next ping, or until the answer to this one is late. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #ping: AbortController | undefined
  #isOver = false

  constructor(connection: Pinged, interval: number, first: number) {
    this.#connection = connection
    this.#interval = interval
    this.#pingIn(first)
  }

  end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#ping?.abort(new Error("the connection is not pinged any more"))
  }

  #pingIn(millis: number): void {
    this.#timer = setTimeout(() => void this.#beat(), millis)
  }

  /** The next one begins after this one, so that no two are under way. */
  async #beat(): Promise<void> {
    const under = new AbortController()
    this.#ping = under
    this.#timer = setTimeout(() => under.abort(new Error("the peer does not answer pings")), this.#interval)
    const failure = await ping(this.#connection, under.signal).then(() => undefined, toError)
    clearTimeout(this.#timer)
    this.#ping = undefined
    if (this.#isOver) return
    if (failure === undefined || isAnswer(failure)) this.#pingIn(this.#interval)
    else this.#connection.abort(failure)
  }
}

class Heartbeats implements Service {
  readonly #events: Components["events"]
  readonly #interval: number
  readonly #heartbeats = new Map<Pinged, Heartbeat>()

  /** When in an interval the next connection is pinged: not when the one before it is, nor when another node pings its own. */
  #phase = anywhere()

  constructor({ events }: Components, interval: number) {
    this.#events = events
    this.#interval = interval
  }

  start(): void {
    this.#events.addEventListener("connection:open", this.#onOpen)
    this.#events.addEventListener("connection:close", this.#onClose)
  }

  stop(): void {
    this.#events.removeEventListener("connection:open", this.#onOpen)
    this.#events.removeEventListener("connection:close", this.#onClose)
    for (const heartbeat of this.#heartbeats.values()) heartbeat.end()
    this.#heartbeats.clear()
  }

  /** Those that open together, as after a restart, are not to be pinged together. */
  readonly #onOpen = ({ detail }: CustomEvent<Pinged>): void => {
    this.#phase = (this.#phase + stride) % 1
    this.#heartbeats.set(detail, new Heartbeat(detail, this.#interval, this.#interval * this.#phase))
  }

  readonly #onClose = ({ detail }: CustomEvent<Pinged>): void => {
    this.#heartbeats.get(detail)?.end()
    this.#heartbeats.delete(detail)
  }
}

/**
 * A service of a node that pings each of its connections once in an interval, in milliseconds, and aborts one whose ping has no
 * answer after as long.
 *
 * @internal
 */
export const heartbeats =
  (interval: number) =>
  (components: Components): Service =>
    new Heartbeats(components, interval)

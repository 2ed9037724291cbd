/**
 * Which connections the dials under way make and use.
 *
 * @internal
 */
import type { Connection } from "@libp2p/interface"

/**
 * @internal
 */
export interface Connects {
  /**
   * Joins the connect under way to this address, or starts one; it is aborted when all who joined have aborted. Who gets the
   * connection has it claimed, and gives the claim up with `unclaim`.
   */
  readonly join: (address: string, signal: AbortSignal) => Promise<Connection>
  readonly claim: (connection: Connection) => void
  readonly unclaim: (connection: Connection) => void
  readonly isClaimed: (connection: Connection) => boolean
}

interface Flight {
  readonly connection: Promise<Connection>
  readonly controller: AbortController
  waiting: number
  isDone: boolean
}

/**
 * Concurrent dials of one address make one connection.
 *
 * @internal
 */
export const make = (connect: (address: string, signal: AbortSignal) => Promise<Connection>): Connects => {
  const flights = new Map<string, Flight>()
  const claims = new Map<Connection, number>()

  const claim = (connection: Connection): void => void claims.set(connection, (claims.get(connection) ?? 0) + 1)
  const unclaim = (connection: Connection): void => {
    const left = (claims.get(connection) ?? 0) - 1
    if (left > 0) claims.set(connection, left)
    else claims.delete(connection)
  }
  const flightTo = (address: string): Flight => {
    const known = flights.get(address)
    if (known !== undefined) return known
    const controller = new AbortController()
    const flight = { connection: connect(address, controller.signal), controller, waiting: 0, isDone: false }
    flights.set(address, flight)
    return flight
  }
  const join: Connects["join"] = async (address, signal) => {
    signal.throwIfAborted()
    const flight = flightTo(address)
    flight.waiting++
    const leave = () => {
      flight.waiting--
      if (flight.waiting > 0) return
      if (flights.get(address) === flight) flights.delete(address)
      // Never once it is there: Node destroys a socket whenever the signal that it was made with aborts.
      if (!flight.isDone) flight.controller.abort()
    }
    signal.addEventListener("abort", leave, { once: true })
    try {
      const connection = await flight.connection
      claim(connection)
      return connection
    } finally {
      flight.isDone = true
      signal.removeEventListener("abort", leave)
      if (!signal.aborted) leave()
    }
  }
  return { join, claim, unclaim, isClaimed: (connection) => claims.has(connection) }
}

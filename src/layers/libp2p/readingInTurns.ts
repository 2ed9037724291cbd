/**
 * Node reads on from a socket for as long as it brings as much as fits into one read, up to two MiB in a turn of the event loop. Who
 * says much would have all others wait until that is decrypted.
 *
 * @internal
 */
import { afterReading } from "./afterReading.ts"
import { hasMethods } from "./hasMethods.ts"

/** What is used of a socket of Node's. */
interface Socket {
  readonly on: (event: "data", listener: (chunk: Uint8Array) => void) => unknown
  readonly pause: () => unknown
  readonly resume: () => unknown
}

const isSocket = (it: unknown): it is Socket => hasMethods(it, ["on", "pause", "resume"])

/** What one read brings at most: if it brings less, the next one is in another turn. */
const wholeRead = 65_536

/** From how many bytes on the rest is left for the next turn. */
const most = 2 * wholeRead

/**
 * Has a TCP connection read no more than 128 KiB, and what was being read by then, in one turn of the event loop.
 *
 * @internal
 */
export const readInTurns = <S extends object>(connection: S): S => {
  const socket: unknown = Reflect.get(connection, "socket")
  if (!isSocket(socket)) return connection
  let read = 0
  const nextTurn = () => {
    const isHeld = read >= most
    read = 0
    // What libp2p holds back by itself stays so.
    if (isHeld && Reflect.get(connection, "readStatus") !== "paused") socket.resume()
  }
  socket.on("data", ({ length }) => {
    if (length < wholeRead) return
    if (read === 0) afterReading(nextTurn)
    read += length
    if (read >= most) socket.pause()
  })
  return connection
}

/**
 * Node reads on from a socket for as long as it brings as much as fits into one read, up to two MiB in a turn of the event loop. Who
 * says much would have all others wait until that is decrypted.
 *
 * @internal
 */
import { afterReading } from "./afterReading.ts"
import { hasMethods } from "./hasMethods.ts"
import type { Data } from "./queues.ts"

/** What is used of a connection on a socket of Node's; one that has it not is left as it is. */
interface Connection {
  readonly socket: { readonly pause: () => unknown; readonly resume: () => unknown }
  /** Libp2p calls it with what was read. */
  onData: (data: Data) => void
}

const isOnSocket = (connection: object): connection is Connection =>
  hasMethods(connection, ["onData"]) && hasMethods(Reflect.get(connection, "socket"), ["pause", "resume"])

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
  if (!isOnSocket(connection)) return connection
  const { socket } = connection
  const onData = connection.onData.bind(connection)
  let read = 0
  const nextTurn = () => {
    const isHeld = read >= most
    read = 0
    // What libp2p holds back by itself stays so.
    if (isHeld && Reflect.get(connection, "readStatus") !== "paused") socket.resume()
  }
  connection.onData = (data) => {
    const { byteLength } = data
    onData(data)
    if (byteLength < wholeRead) return
    if (read === 0) afterReading(nextTurn)
    read += byteLength
    if (read >= most) socket.pause()
  }
  return connection
}

/**
 * Yamux in JavaScript answers each piece of data with a packet that opens the window again by as much. For small messages that is
 * as much work as the message itself, on both sides.
 *
 * @internal
 */
import type { MessageStream } from "@libp2p/interface"

/** What is used of a stream of Yamux; one that has it not is left as it is. */
interface Windowed {
  readonly recvWindow: number
  readonly recvWindowCapacity: number
  sendWindowUpdate: () => void
}

const isWindowed = (stream: object): stream is Windowed =>
  typeof Reflect.get(stream, "recvWindow") === "number" &&
  typeof Reflect.get(stream, "recvWindowCapacity") === "number" &&
  typeof Reflect.get(stream, "sendWindowUpdate") === "function"

/**
 * Has the window opened again when half of it is used up, as Yamux in Go does. The first update goes out as always, because it also
 * tells that the stream is accepted.
 *
 * @internal
 */
export const saveUpdates = <S extends MessageStream>(stream: S): S => {
  if (!isWindowed(stream)) return stream
  const update = stream.sendWindowUpdate.bind(stream)
  let isFirst = true
  stream.sendWindowUpdate = () => {
    if (!isFirst && 2 * stream.recvWindowCapacity > stream.recvWindow) return
    isFirst = false
    update()
  }
  return stream
}

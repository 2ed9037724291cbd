/**
 * Noise hands over a packet in pieces, and libp2p's transports make a system call of each: most of what a small message costs, and for
 * a long one dozens.
 *
 * @internal
 */
import type { MessageStream } from "@libp2p/interface"
import { hasMethods } from "./hasMethods.ts"
import { type Data, sendPastQueue } from "./queues.ts"
import { disposalOf } from "./spent.ts"

/** What is used of a socket of Node's. */
interface Socket {
  readonly cork: () => void
  readonly uncork: () => void
  /** Calls back when the system has it, or nobody will ever write it. */
  readonly write: (bytes: Uint8Array, then?: () => void) => boolean
}

const isSocket = (it: unknown): it is Socket => hasMethods(it, ["cork", "uncork", "write"])

/** Up to this size a copy costs less than to have the system gather the pieces. */
const copied = 8192

const joined = (data: Data): Uint8Array => (data instanceof Uint8Array ? data : data.subarray())

/** Writes everything with one system call, if the system takes it; whether it takes more at once. */
const writeAll = (socket: Socket, data: Data): boolean => {
  if (data instanceof Uint8Array || data.byteLength <= copied) return socket.write(joined(data))
  let takesMore = true
  socket.cork()
  for (const piece of data) takesMore = socket.write(piece, disposalOf(piece))
  socket.uncork()
  return takesMore
}

/**
 * Has everything that is sent at once on this connection written at once: on TCP the system gathers the pieces, elsewhere they are
 * copied into one.
 *
 * @internal
 */
export const joinWrites = <S extends MessageStream>(connection: S): S => {
  const socket: unknown = Reflect.get(connection, "socket")
  if (isSocket(socket) && "sendData" in connection) {
    const sendData = (data: Data) => ({ sentBytes: data.byteLength, canSendMore: writeAll(socket, data) })
    return sendPastQueue(Object.assign(connection, { sendData }))
  }
  const send = connection.send.bind(connection)
  return Object.assign(connection, { send: (data: Data) => send(joined(data)) })
}

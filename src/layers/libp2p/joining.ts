/**
 * Noise hands over a packet as its length and its bytes, and libp2p's transports make a system call of each piece: most of what a
 * small message costs.
 *
 * @internal
 */
import type { MessageStream } from "@libp2p/interface"

/**
 * Has everything that is sent at once on this connection written at once. The copy costs a fraction of a system call.
 *
 * @internal
 */
export const joinWrites = <S extends MessageStream>(connection: S): S => {
  const send = connection.send.bind(connection)
  const sendJoined: MessageStream["send"] = (data) => send(data instanceof Uint8Array ? data : data.subarray())
  return Object.assign(connection, { send: sendJoined })
}

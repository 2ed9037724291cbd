/**
 * Libp2p's reader of Noise packets learns from an error that it has read everything, with each piece of data that arrives: tens of
 * microseconds, because an error notes where it came from.
 *
 * @internal
 */
import type { MessageStream } from "@libp2p/interface"

/** What is used of a connection of Noise; one that has it not is left as it is. */
interface Decoding {
  readonly decoder: { lengthDecoder: (data: ArrayLike<number>) => number }
}

const isDecoding = (connection: object): connection is Decoding => {
  const decoder: unknown = Reflect.get(connection, "decoder")
  if (typeof decoder !== "object" || decoder === null) return false
  const lengthDecoder: unknown = Reflect.get(decoder, "lengthDecoder")
  return typeof lengthDecoder === "function" && Reflect.get(lengthDecoder, "bytes") === 2
}

/** A packet of this length has not arrived where not even its length has. */
const longest = 0xffff

/**
 * Has the reader of a secured connection wait for more wherever a length has not arrived.
 *
 * @internal
 */
export const readQuietly = <S extends MessageStream>(connection: S): S => {
  if (!isDecoding(connection)) return connection
  const { decoder } = connection
  const { lengthDecoder } = decoder
  decoder.lengthDecoder = (data) => (data.length < 2 ? longest : lengthDecoder(data))
  return connection
}

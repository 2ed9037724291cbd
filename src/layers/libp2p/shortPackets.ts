/**
 * Kernels that say little say it in one short packet of Noise at a time. Libp2p takes each of them through several lists of pieces,
 * on either side.
 *
 * @internal
 */
import type { MessageStream } from "@libp2p/interface"
import * as Predicate from "effect/Predicate"
import type { Uint8ArrayList } from "uint8arraylist"
import { hasMethods } from "./hasMethods.ts"
import * as Packets from "./packets.ts"

type Data = Uint8Array | Uint8ArrayList

/** What is used of a connection of Noise; one that has it not is left as it is. */
interface Noise {
  readonly decoder: {
    /** What has arrived of packets that are not whole. */
    readonly buffer: { readonly byteLength: number }
    decode: (data: Data) => Iterable<Data>
  }
  readonly handshake: {
    readonly encrypt: (text: Data) => Data
    /** Writes to `target` what it gives. */
    readonly decrypt: (packet: Data, target: Data) => Data
  }
  encrypt: (text: Data) => Data
  decrypt: (packet: Data) => Data
}

const isNoise = (connection: object): connection is Noise => {
  const decoder: unknown = Reflect.get(connection, "decoder")
  const buffer: unknown = hasMethods(decoder, ["decode"]) && Reflect.get(Object(decoder), "buffer")
  const ciphers = ["encrypt", "decrypt"]
  return (
    hasMethods(connection, ciphers) &&
    hasMethods(Reflect.get(connection, "handshake"), ciphers) &&
    Predicate.hasProperty(buffer, "byteLength") &&
    typeof buffer.byteLength === "number" &&
    // Who counts packets is not to miss these.
    Reflect.get(connection, "metrics") === undefined
  )
}

const inOnePiece = (data: Data): Uint8Array | undefined => {
  if (data instanceof Uint8Array) return data
  const [first] = data
  return first?.length === data.byteLength ? first : undefined
}

/** What the authentication of a packet takes; one that is no longer is left to libp2p, which refuses it. */
const tagBytes = 16

/**
 * Has a secured connection write a short packet in one piece with its length, and read a packet that arrives alone where it lies.
 *
 * @internal
 */
export const takeShortPacketsWhole = <S extends MessageStream>(connection: S): S => {
  if (!isNoise(connection)) return connection
  const { decoder, handshake } = connection
  const decode = decoder.decode.bind(decoder)
  const decrypt = connection.decrypt.bind(connection)
  const encrypt = connection.encrypt.bind(connection)
  decoder.decode = (data) => {
    const bytes = decoder.buffer.byteLength === 0 ? inOnePiece(data) : undefined
    return bytes !== undefined && Packets.isWhole(bytes) ? [Packets.withoutLength(bytes)] : decode(data)
  }
  connection.decrypt = (packet) =>
    packet instanceof Uint8Array && packet.length > tagBytes
      ? handshake.decrypt(packet, packet.subarray(0, packet.length - tagBytes))
      : decrypt(packet)
  connection.encrypt = (text) => {
    if (text.byteLength === 0 || text.byteLength >= Packets.short) return encrypt(text)
    return Packets.withLength(handshake.encrypt(text))
  }
  return connection
}

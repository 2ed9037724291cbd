/**
 * Packets of Noise, each with its length before it. Libp2p has the two in pieces of their own; where there is room for the length in
 * front of the packet, they need not be copied into one.
 *
 * @internal
 */
import { Uint8ArrayList } from "uint8arraylist"

/**
 * Below this size of the text, in bytes, WebAssembly ciphers a packet, as libp2p has it, which begins faster than Node's cipher does.
 *
 * @internal
 */
export const short = 1200

/** What the length takes. */
const lengthBytes = 2

/** The packet that was made last, until its length is put before it. */
let latest: Uint8Array | undefined

/**
 * `bytes`, which are longer than the packet by the room, without it: the packet is to be written there.
 *
 * @internal
 */
export const afterRoom = (bytes: Uint8Array): Uint8Array => {
  latest = bytes.subarray(lengthBytes)
  return latest
}

/**
 * How many bytes to have for a packet of so many.
 *
 * @internal
 */
export const withRoom = (packetBytes: number): number => packetBytes + lengthBytes

const writeLength = (target: Uint8Array, bytes: number): Uint8Array => {
  target[0] = bytes >>> 8
  target[1] = bytes & 0xff
  return target
}

/**
 * The packet with its length before it: in one piece if there is room in front of it, which is so for the one that was made last.
 *
 * @internal
 */
export const withLength = (packet: Uint8Array | Uint8ArrayList): Uint8Array | Uint8ArrayList => {
  const { byteLength } = packet
  if (packet !== latest) return new Uint8ArrayList(writeLength(new Uint8Array(lengthBytes), byteLength), packet)
  latest = undefined
  return writeLength(
    new Uint8Array(packet.buffer, packet.byteOffset - lengthBytes, lengthBytes + byteLength),
    byteLength
  )
}

/**
 * Whether these bytes are one packet with its length, and nothing else.
 *
 * @internal
 */
export const isWhole = (bytes: Uint8Array): boolean =>
  bytes.length > lengthBytes && ((bytes[0] ?? 0) << 8) + (bytes[1] ?? 0) === bytes.length - lengthBytes

/**
 * The packet in bytes that are one with its length.
 *
 * @internal
 */
export const withoutLength = (bytes: Uint8Array): Uint8Array => bytes.subarray(lengthBytes)

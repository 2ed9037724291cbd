/**
 * Packets of Noise. It puts the length of each before it, in a piece of its own; where there is room for that in front of the packet, the
 * two need not be copied into one.
 *
 * @internal
 */

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

/**
 * The pieces in one, if they are the packet that was made last and its length.
 *
 * @internal
 */
export const inOne = (pieces: Iterable<Uint8Array>): Uint8Array | undefined => {
  const [length, packet, ...more] = pieces
  if (packet === undefined || packet !== latest || length?.length !== lengthBytes || more.length > 0) return undefined
  latest = undefined
  const whole = new Uint8Array(packet.buffer, packet.byteOffset - lengthBytes, lengthBytes + packet.length)
  whole.set(length)
  return whole
}

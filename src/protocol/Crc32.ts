/**
 * CRC-32 (ISO-HDLC, as in zip and Ethernet): tells whether bytes are still those that were stored. No protection against
 * intent.
 *
 * @since 0.1.0
 */

const first = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})
const followedByZero = (row: Int32Array) => row.map((crc) => (crc >>> 8) ^ (first[crc & 0xff] ?? 0))
const second = followedByZero(first)
const third = followedByZero(second)

/** Row k is the effect of a byte that k zero bytes follow, so that a step takes four bytes. Signed, because V8 is faster so. */
const tables = [first, second, third, followedByZero(third)] as const

/**
 * The CRC-32 of the bytes, as an unsigned 32-bit number; it differs wherever up to 32 bits in a row were changed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const crc32 = (bytes: Uint8Array): number => {
  const [t0, t1, t2, t3] = tables
  const length = bytes.length
  let crc = -1
  let at = 0
  for (; at + 4 <= length; at += 4) {
    crc ^= (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
    crc = (t3[crc & 0xff] ?? 0) ^ (t2[(crc >>> 8) & 0xff] ?? 0) ^ (t1[(crc >>> 16) & 0xff] ?? 0) ^ (t0[crc >>> 24] ?? 0)
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
  return ~crc >>> 0
}

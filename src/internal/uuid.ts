import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import { Entropy } from "../services/Entropy.ts"

/**
 * A random (version 4) UUID made of 16 random bytes.
 *
 * @internal
 */
export const fromBytes = (random: Uint8Array): string => {
  const bytes = random.slice(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return Encoding.encodeHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
}

/**
 * A UUID that nobody has had before.
 *
 * @internal
 */
export const fresh: Effect.Effect<string> = Effect.flatMap(Entropy, ({ bytes }) => Effect.map(bytes(16), fromBytes))

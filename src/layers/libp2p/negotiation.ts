/**
 * What a peer says before a protocol of ours speaks: names of protocols, one a line, and then perhaps one message to a service
 * of libp2p. Pure.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Frame from "../../protocol/Frame.ts"

/** Of a line or a message, in bytes; libp2p's own longest is a peer's description of itself. */
const longest = 8192

/** Lines before two sides agree; a peer proposes one protocol after the other, and nobody has so many. */
const mostLines = 32

/** How much is parted at a time, so that a flood of tiny lines is seen to be one before it is all taken apart. */
const slice = 256

/** What names no protocol that could be agreed upon. */
const preamble = new Set(["/multistream/1.0.0", "na", "ls", ""])

/** The services of libp2p in which messages with a length are read; after the first one there is none. */
const told = new Set(["/ipfs/id/1.0.0", "/libp2p/circuit/relay/0.2.0/hop", "/libp2p/circuit/relay/0.2.0/stop"])

/**
 * How a negotiation stands: more is to come, it is over, or it is none.
 *
 * @internal
 */
export type Standing = "open" | "over" | "refused"

const decoder = new TextDecoder()

/**
 * Reads a negotiation as it arrives, until it says that it is over; what follows is none of its business. `isKnown` says with
 * which line the two sides agree.
 *
 * @internal
 */
export const reader = (isKnown: (protocol: string) => boolean): ((chunk: Uint8Array) => Standing) => {
  const frames = Frame.makeDecoder(longest)
  let lines = 0
  let agreed = false

  const hear = (line: Uint8Array): Standing => {
    if (agreed) return "over"
    const protocol = decoder.decode(line).trimEnd()
    if (!preamble.has(protocol) && isKnown(protocol)) {
      agreed = true
      return told.has(protocol) ? "open" : "over"
    }
    lines += 1
    return lines < mostLines ? "open" : "refused"
  }
  const hearSlice = (part: Uint8Array): Standing => {
    const pushed = frames.push(part)
    for (const line of Either.getOrElse(pushed, () => frames.beforeViolation())) {
      const standing = hear(line)
      if (standing !== "open") return standing
    }
    return Either.isRight(pushed) ? "open" : "refused"
  }
  return (chunk) => {
    for (let from = 0; from < chunk.length; from += slice) {
      const standing = hearSlice(chunk.subarray(from, from + slice))
      if (standing !== "open") return standing
    }
    return "open"
  }
}

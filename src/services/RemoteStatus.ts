/**
 * What a remote is doing, in words.
 *
 * @since 0.1.0
 */
import { excerpt } from "../errors/excerpt.ts"
import type { RemoteStatus } from "./RemoteHandle.ts"
import type { LinkError, LinkState } from "./Transport.ts"

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000]
] as const

/** The two largest units that are there, such as `2 h 5 min`; a smaller rest is left out. */
const span = (millis: number): string => {
  let rest = Math.max(0, Math.floor(millis / 1000) * 1000)
  const parts: Array<string> = []
  for (const [unit, length] of units) {
    const count = Math.floor(rest / length)
    rest -= count * length
    if (count > 0) parts.push(`${count} ${unit}`)
    else if (parts.length > 0) break
  }
  return parts.slice(0, 2).join(" ") || "0 s"
}

const codeOf = (error: LinkError): string => (error._tag === "DialFailedError" ? excerpt(error.code) : error._tag)

const linkWords = (link: LinkState, at: number): ReadonlyArray<string> => {
  switch (link._tag) {
    case "Idle":
      return ["not connected", ...(link.error === undefined ? [] : [codeOf(link.error)])]
    case "Dialing":
      return ["dialing", `attempt ${link.attempt}`]
    case "Handshaking":
      return ["shaking hands", `attempt ${link.attempt}`]
    case "Open":
      return [`connected ${link.relayed ? "through a relay " : ""}for ${span(at - link.since)}`]
    case "BackingOff":
      return [
        `redial in ${span(link.retryAt - at + 999)}`,
        `attempt ${link.attempt}`,
        codeOf(link.error),
        ...(link.permanent ? ["the same each time"] : [])
      ]
    case "Closed":
      return ["closed on purpose"]
  }
}

const pendingWords = ({ at, oldestPendingAt, pendingMessages }: RemoteStatus): ReadonlyArray<string> => {
  if (pendingMessages === 0) return ["nothing pending"]
  const oldest = oldestPendingAt === undefined ? [] : [`oldest ${span(at - oldestPendingAt)}`]
  return [`${pendingMessages} pending`, ...oldest]
}

/**
 * One line for people, as of when the status was taken, such as
 * `waiting for 12D3KooW…: redial in 3 s, attempt 7, ECONNREFUSED, 412 pending, oldest 41 s`.
 *
 * @since 0.1.0
 * @category formatting
 */
export const explain = (status: RemoteStatus): string => {
  const isWaiting = status.pendingMessages > 0 && status.link._tag !== "Open"
  const held = status.held ? ["its messages wait for this kernel"] : []
  const words = [...linkWords(status.link, status.at), ...pendingWords(status), ...held]
  return `${isWaiting ? "waiting for " : ""}${status.peerId}: ${words.join(", ")}`
}

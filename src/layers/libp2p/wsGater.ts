/**
 * Which addresses may be dialed: plain WebSockets only where nobody is between.
 *
 * @internal
 */
import type { Multiaddr } from "@multiformats/multiaddr"

const secure = new Set(["tls", "wss", "https"])

const isPrivateIp4 = (text: string): boolean => {
  const [a = -1, b = -1] = text.split(".").map(Number)
  return a === 127 || a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)
}

/** The one way in which WHATWG URLs write an IPv6 address, or undefined where the text is none. */
const canonicalIp6 = (text: string): string | undefined => {
  const url = `http://[${text.replace(/^\[|\]$/gu, "")}]`
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined
}

const isPrivateIp6 = (text: string): boolean => {
  const canonical = canonicalIp6(text)
  if (canonical === undefined) return false
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/u.exec(canonical)
  if (mapped !== null) {
    const high = Number.parseInt(mapped[1] ?? "", 16)
    return isPrivateIp4(`${high >> 8}.${high & 255}`)
  }
  const first = Number.parseInt(canonical.split(":", 1)[0] ?? "", 16)
  return canonical === "::1" || (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80
}

const isPlainWs = (address: Multiaddr): boolean => {
  const names = address.getComponents().map(({ name }) => name)
  return names.includes("ws") && !names.some((name) => secure.has(name))
}

const hostOf = (address: Multiaddr) => address.getComponents().find(({ name }) => name !== "ip6zone")

/**
 * The hosts of those addresses that are plain WebSockets.
 *
 * @internal
 */
export const plainHosts = (addresses: ReadonlyArray<Multiaddr>): ReadonlyArray<string> =>
  addresses.filter(isPlainWs).map((it) => hostOf(it)?.value ?? "")

const canonicalHost = (text: string): string => canonicalIp6(text) ?? text.toLowerCase()

/**
 * Makes the test for addresses that may be dialed: a plain `ws` address passes when its host is loopback, private, link-local
 * (IPv6) or one of `allowedHosts`; everything else passes, too. A name that merely looks like an address is a name.
 *
 * @internal
 */
export const make = (allowedHosts: Iterable<string>): ((address: Multiaddr) => boolean) => {
  const allowed = new Set(Array.from(allowedHosts, canonicalHost))
  return (address) => {
    if (!isPlainWs(address) || address.getComponents().some(({ name }) => name === "p2p-circuit")) return true
    const host = hostOf(address)
    const text = host?.value ?? ""
    if (allowed.has(canonicalHost(text))) return true
    switch (host?.name) {
      case "ip4":
        return isPrivateIp4(text)
      case "ip6":
        return isPrivateIp6(text)
      default:
        return text.toLowerCase() === "localhost"
    }
  }
}

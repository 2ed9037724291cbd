/**
 * The one place where libp2p's errors become ours. They are told apart by name: copies of a package defeat `instanceof`.
 *
 * @internal
 */
import {
  DialFailedError,
  ListenError,
  MuxerClosedError,
  NetworkStoppedError,
  TooManyOutboundProtocolStreamsError
} from "../../errors/ConnectionError.ts"
import type { DialError } from "../../errors/ConnectionError.ts"
import type { PeerId } from "../../protocol/PeerId.ts"

interface Facts {
  readonly name: string
  readonly code: string | undefined
  readonly message: string
}

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

/** An error with all that caused it, outermost first; bounded, as a cause may be its own. */
const facts = (thrown: unknown, depth = 0): ReadonlyArray<Facts> => {
  if (typeof thrown !== "object" || thrown === null || depth > 8) return []
  const get = (key: string): unknown => Reflect.get(thrown, key)
  const errors: unknown = get("errors")
  const many: ReadonlyArray<unknown> = Array.isArray(errors) ? errors.slice(-8) : []
  const inner = [get("error"), get("cause"), ...many]
  const self = { name: text(get("name")) ?? "", code: text(get("code")), message: text(get("message")) ?? "" }
  return [self, ...inner.flatMap((it) => facts(it, depth + 1))]
}

const closed = new Set(["MuxerClosedError", "ConnectionClosedError", "ConnectionClosingError", "MuxerUnavailableError"])
const nameless = new Set(["", "Error", "TypeError", "AggregateError"])

/** Why a relay refused, which libp2p tells only in the text of an error whose name says nothing. */
const refusal =
  /\b(?:NO_RESERVATION|RESERVATION_REFUSED|RESOURCE_LIMIT_EXCEEDED|PERMISSION_DENIED|CONNECTION_FAILED)\b/u

/**
 * The shortest word for what went wrong: the last code of the network, else a relay's reason, else a name, else `UNKNOWN`.
 *
 * @internal
 */
export const codeOf = (thrown: unknown): string => {
  const all = facts(thrown)
  const text = all.map(({ message }) => message).join("\n")
  return (
    all.findLast(({ code }) => code !== undefined)?.code ??
    refusal.exec(text)?.[0] ??
    all.find(({ name }) => !nameless.has(name))?.name ??
    "UNKNOWN"
  )
}

/**
 * Whatever was thrown, or an event that carries it, as an error.
 *
 * @internal
 */
export const toError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(codeOf(thrown), { cause: thrown })

/**
 * What ended an attempt to open a channel at one address.
 *
 * @internal
 */
export const toDialError =
  (peerId: PeerId, address: string) =>
  (thrown: unknown): DialError => {
    const names = facts(thrown).map(({ name }) => name)
    const cause = toError(thrown)
    if (names.includes("TooManyOutboundProtocolStreamsError"))
      return new TooManyOutboundProtocolStreamsError({ peerId, cause })
    if (names.includes("NotStartedError")) return new NetworkStoppedError()
    if (names.some((name) => closed.has(name))) return new MuxerClosedError({ peerId, cause })
    return new DialFailedError({ peerId, address, cause, code: codeOf(thrown) })
  }

/**
 * What ended an attempt to connect. The streams that a connection through a relay may have too many of are those to the relay;
 * another way to the peer may still be free.
 *
 * @internal
 */
export const toConnectError =
  (peerId: PeerId, address: string) =>
  (thrown: unknown): DialError => {
    const error = toDialError(peerId, address)(thrown)
    if (error._tag !== "TooManyOutboundProtocolStreamsError") return error
    return new DialFailedError({ peerId, address, cause: toError(thrown), code: error._tag })
  }

/**
 * Whether another address cannot help.
 *
 * @internal
 */
export const isFinal = (error: DialError): boolean =>
  error._tag === "TooManyOutboundProtocolStreamsError" || error._tag === "NetworkStoppedError"

/**
 * What kept the node from listening. Libp2p hands the reason on only as text, stack and all, so the code is read from it.
 *
 * @internal
 */
export const toListenError =
  (address: string) =>
  (thrown: unknown): ListenError => {
    const message = facts(thrown)
      .map((it) => it.message)
      .join("\n")
    return new ListenError({
      address,
      cause: toError(thrown),
      code: /\bE[A-Z]{3,}\b/u.exec(message)?.[0] ?? codeOf(thrown)
    })
  }

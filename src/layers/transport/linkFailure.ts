import type * as LinkMachine from "../../protocol/LinkMachine.ts"
import type { LinkError } from "../../services/Transport.ts"

const codeOf = (error: LinkError): string => (error._tag === "DialFailedError" ? error.code : error._tag)

/**
 * An attempt that failed, as the machine is told of it.
 *
 * @internal
 */
export const failed = (token: number, error: LinkError): LinkMachine.Event => ({
  _tag: "Failed",
  token,
  error,
  code: codeOf(error),
  hopeless: error._tag === "NoAddressError" || error._tag === "NetworkStoppedError",
  undialed: error._tag === "NoAddressError" || (error._tag === "ResourceLimitError" && error.limit === "connections")
})

/**
 * A channel in service that came to its end, as the machine is told of it.
 *
 * @internal
 */
export const ended = (token: number, error: LinkError): LinkMachine.Event => ({
  _tag: "Ended",
  token,
  error,
  code: codeOf(error),
  idle: error._tag === "StreamInactivityTimeoutError"
})

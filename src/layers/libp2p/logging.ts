/**
 * Libp2p's own log, which `DEBUG` (as in `DEBUG=libp2p:*`) turns on.
 *
 * @internal
 */
import type { ComponentLogger, Logger } from "@libp2p/interface"
import { defaultLogger, enabled } from "@libp2p/logger"

const full = defaultLogger()

const nothing = () => undefined

const isWanted = (name: string): boolean => enabled(name) || enabled(`${name}:error`) || enabled(`${name}:trace`)

const silent = (name: string): Logger =>
  Object.assign(() => undefined, {
    error: nothing,
    trace: nothing,
    enabled: false,
    newScope: (scope: string) => loggerOf(`${name}:${scope}`)
  })

const loggerOf = (name: string): Logger => (isWanted(name) ? full.forComponent(name) : silent(name))

/**
 * What libp2p logs to. It makes a logger for every connection and every stream, of one and a half kilobytes each; this one takes up a
 * tenth of that where nobody has asked for the log by the time it is made.
 *
 * @internal
 */
export const logger: ComponentLogger = { forComponent: loggerOf }

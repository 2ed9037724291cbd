type Later = (run: () => void) => void

const setImmediate: unknown = Reflect.get(globalThis, "setImmediate")

/**
 * Runs something once the event loop has read what lies in its sockets now; undefined where that cannot be told, as in browsers.
 *
 * @internal
 */
export const inNextTurn: Later | undefined =
  typeof setImmediate === "function" ? (run) => void Reflect.apply(setImmediate, undefined, [run]) : undefined

/**
 * As `inNextTurn`, but at once where it cannot be told.
 *
 * @internal
 */
export const afterReading: Later = inNextTurn ?? ((run) => run())

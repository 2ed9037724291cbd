const setImmediate: unknown = Reflect.get(globalThis, "setImmediate")

/**
 * Runs something once the event loop has read what lies in its sockets now; at once where it cannot be told, as in browsers.
 *
 * @internal
 */
export const afterReading = (run: () => void): void => {
  if (typeof setImmediate === "function") Reflect.apply(setImmediate, undefined, [run])
  else run()
}

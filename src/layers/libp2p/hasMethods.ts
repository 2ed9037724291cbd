/**
 * Whether it is an object with all of these methods, as libp2p's and Node's have that no type tells of.
 *
 * @internal
 */
export const hasMethods = (it: unknown, names: ReadonlyArray<string>): boolean =>
  typeof it === "object" && it !== null && names.every((name) => typeof Reflect.get(it, name) === "function")

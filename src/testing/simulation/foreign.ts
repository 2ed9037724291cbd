/** What runs outside of virtual time and must not disturb its order: WebCrypto works on threads of its own. */

const methods = [
  "importKey",
  "exportKey",
  "generateKey",
  "encrypt",
  "decrypt",
  "sign",
  "verify",
  "digest",
  "deriveBits",
  "deriveKey"
] as const

interface Job {
  readonly done: Promise<unknown>
  readonly release: () => void
}

const jobs: Array<Job> = []
let users = 0
let originals: ReadonlyArray<readonly [string, unknown]> = []

/** Holds every result back until it is released. */
const hold = (subtle: SubtleCrypto, real: (...args: ReadonlyArray<unknown>) => unknown) =>
  function (...args: ReadonlyArray<unknown>): Promise<unknown> {
    const result = Promise.resolve<unknown>(Reflect.apply(real, subtle, args))
    return new Promise((resolve) => {
      jobs.push({ done: result.catch(() => undefined), release: () => resolve(result) })
    })
  }

const isFunction = (value: unknown): value is (...args: ReadonlyArray<unknown>) => unknown =>
  typeof value === "function"

/**
 * While anybody uses this, what WebCrypto comes to is told one by one, in the order in which it was asked, and only when
 * `releaseNext` is called.
 *
 * @internal
 */
export const acquire = (): void => {
  users += 1
  if (users > 1) return
  const { subtle } = globalThis.crypto
  originals = methods.map((name) => [name, Object.getOwnPropertyDescriptor(subtle, name)] as const)
  for (const name of methods) {
    const real: unknown = Reflect.get(subtle, name)
    if (isFunction(real)) Object.defineProperty(subtle, name, { configurable: true, value: hold(subtle, real) })
  }
}

/**
 * @internal
 */
export const release = (): void => {
  users -= 1
  if (users > 0) return
  const { subtle } = globalThis.crypto
  for (const [name, own] of originals) {
    Reflect.deleteProperty(subtle, name)
    if (own !== undefined && typeof own === "object" && own !== null) Object.defineProperty(subtle, name, own)
  }
  for (const job of jobs.splice(0)) job.release()
}

/**
 * @internal
 */
export const isBusy = (): boolean => jobs.length > 0

/**
 * Waits for the oldest result and tells it.
 *
 * @internal
 */
export const releaseNext = async (): Promise<void> => {
  const job = jobs.shift()
  if (job === undefined) return
  await job.done
  job.release()
}

/**
 * One turn of the event loop, after which everything that promises had to do is done.
 *
 * @internal
 */
export const turn = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.addEventListener("message", () => {
      port1.close()
      resolve()
    })
    port1.start()
    port2.postMessage(undefined)
  })

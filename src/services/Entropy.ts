/**
 * Where secrets come from.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * A source of random bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source {
  /** Fresh bytes, at most 65,536 at a time; nobody can foretell them from those that came before. */
  readonly bytes: (length: number) => Effect.Effect<Uint8Array<ArrayBuffer>>
}

/**
 * The source of keys, nonces and ids: WebCrypto unless overridden.
 *
 * Effect's `Random` is not used for these, because it is a fast generator that is seeded to be repeatable: from a little
 * of its output all that follows can be computed. A simulation may override this with a seeded source to be repeatable
 * as well; nothing that guards a real secret may.
 *
 * @since 0.1.0
 * @category references
 */
export class Entropy extends Context.Reference<Entropy>()("effect-remotes/Entropy", {
  defaultValue: (): Source => ({
    bytes: (length) => Effect.sync(() => globalThis.crypto.getRandomValues(new Uint8Array(length)))
  })
}) {}

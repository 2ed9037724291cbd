import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { IdentityExistsError, InvalidSeedError } from "../errors/IdentityError.ts"
import { StoreCorruptError } from "../errors/StoreError.ts"
import * as Mnemonic from "../protocol/Mnemonic.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { Entropy } from "../services/Entropy.ts"
import { RemoteStore } from "../services/RemoteStore.ts"
import type { StoredIdentity } from "../services/RemoteStore.ts"
import * as Key from "./identityKey.ts"
import type { SealSecret } from "./identitySeal.ts"
import * as Seal from "./identitySeal.ts"
import * as Uuid from "./uuid.ts"

/**
 * A stored identity, read: its parts belong together.
 *
 * @internal
 */
export interface IdentityKeys {
  readonly peerId: PeerId
  readonly incarnationId: string
  readonly keySeed: Redacted.Redacted<Uint8Array>
  readonly ocapUrlKey: Redacted.Redacted<Uint8Array<ArrayBuffer>>
}

/**
 * What a new identity is made of; without either, of fresh entropy.
 *
 * @internal
 */
export interface Origin {
  readonly keySeed?: Redacted.Redacted<string> | undefined
  readonly mnemonic?: Redacted.Redacted<string> | undefined
  /** What the secrets are sealed with in the store; without it they are in clear there. */
  readonly seal?: SealSecret | undefined
}

const damaged = (reason: string) => new StoreCorruptError({ where: "identity", reason })

const verify = Effect.fnUntraced(function* ({ incarnationId, peerId, ...stored }: StoredIdentity) {
  const keySeed = yield* Effect.mapError(Key.fromHex(stored.keySeed), () => damaged("the key seed is not 32 bytes"))
  const ocapUrlKey = yield* Effect.mapError(Key.fromHex(stored.ocapUrlKey), () =>
    damaged("the URL key is not 32 bytes")
  )
  if ((yield* Key.peerIdOf(keySeed)) !== peerId) return yield* damaged("the peer id does not belong to the key seed")
  if (incarnationId === "") return yield* damaged("the incarnation id is empty")
  return { peerId, incarnationId, keySeed, ocapUrlKey } satisfies IdentityKeys
})

const freshKey = Entropy.pipe(
  Effect.flatMap((entropy) => entropy.bytes(Key.keyLength)),
  Effect.map((bytes) => Redacted.make(bytes))
)

const chooseSeed = ({ keySeed, mnemonic }: Origin) => {
  if (mnemonic !== undefined) return Mnemonic.toSeed(mnemonic)
  if (keySeed !== undefined) return Effect.mapError(Key.fromHex(keySeed), () => new InvalidSeedError())
  return freshKey
}

const save = Effect.fnUntraced(function* (identity: StoredIdentity, seal: SealSecret | undefined) {
  const store = yield* RemoteStore
  yield* store.saveIdentity(seal === undefined ? identity : yield* Seal.close(identity, seal, yield* Entropy))
})

const create = Effect.fnUntraced(function* (origin: Origin) {
  const keySeed = yield* chooseSeed(origin)
  const ocapUrlKey = yield* freshKey
  const peerId = yield* Key.peerIdOf(keySeed)
  const incarnationId = yield* Uuid.fresh
  const stored = { peerId, incarnationId, keySeed: Key.toHex(keySeed), ocapUrlKey: Key.toHex(ocapUrlKey) }
  yield* save(stored, origin.seal)
  return { peerId, incarnationId, keySeed, ocapUrlKey } satisfies IdentityKeys
})

/**
 * The identity of the store, or a new one, which is stored. One that is stored in clear is sealed if there is something to
 * seal it with. To be run in a transaction of the store.
 *
 * @internal
 */
export const loadOrCreate = Effect.fnUntraced(function* (origin: Origin) {
  const stored = yield* (yield* RemoteStore).loadIdentity
  if (Option.isNone(stored)) return yield* create(origin)
  if (origin.mnemonic !== undefined) return yield* new IdentityExistsError({ peerId: stored.value.peerId })
  const clear = yield* Seal.open(stored.value, origin.seal)
  const keys = yield* verify(clear)
  if (stored.value.seal === undefined && origin.seal !== undefined) yield* save(clear, origin.seal)
  return keys
})

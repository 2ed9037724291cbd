import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import { UnknownOcapUrlError } from "../errors/IdentityError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import { ResourceLimitError } from "../errors/TransportError.ts"
import type { Source } from "../services/Entropy.ts"
import type { IssuedUrl, RemoteStore } from "../services/RemoteStore.ts"
import type { Sealed } from "./sealedReference.ts"
import { idLength } from "./sealedReference.ts"

type Store = RemoteStore["Type"]

/** What of an opened URL says whether it is still good. */
type Grant = Pick<Sealed, "id" | "expiresAt">

const refused = (reason: UnknownOcapUrlError["reason"]) => new UnknownOcapUrlError({ reason })

/**
 * Forgets what has expired. Its URLs tell themselves that they have.
 *
 * @internal
 */
export const clean = (store: Store): Effect.Effect<void, StoreError> =>
  Effect.flatMap(Clock.currentTimeMillis, store.removeExpiredUrls)

/** When what is issued now for so long expires. */
const expiryOf = (expiresIn: Duration.DurationInput | undefined): Effect.Effect<number | undefined> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const millis = expiresIn === undefined ? Infinity : Duration.toMillis(expiresIn)
    return Number.isSafeInteger(Math.ceil(now + millis)) ? Math.ceil(now + millis) : undefined
  })

/**
 * Keeps the record of what was issued. A URL that was revoked stays on record for as long as there is room, so that this
 * kernel can tell why it is refused; afterwards it is refused as one that was never issued.
 *
 * @internal
 */
export const make = (store: Store, entropy: Source, max: number) => {
  const makeRoom = Effect.gen(function* () {
    if ((yield* store.countIssuedUrls) < max) return
    yield* clean(store)
    yield* store.removeRevokedUrls
    const current = yield* store.countIssuedUrls
    if (current >= max) yield* new ResourceLimitError({ limit: "issuedOcapUrls", current, max })
  })

  const grant = (expiresIn: Duration.DurationInput | undefined): Effect.Effect<Grant> =>
    Effect.gen(function* () {
      const id = Encoding.encodeHex(yield* entropy.bytes(idLength))
      return { id, expiresAt: yield* expiryOf(expiresIn) }
    })

  const record = (grant: Grant): Effect.Effect<void, ResourceLimitError | StoreError> =>
    store.transaction(Effect.zipRight(makeRoom, store.putIssuedUrl({ ...grant, revoked: false })))

  const find = (id: string): Effect.Effect<IssuedUrl, UnknownOcapUrlError | StoreError> =>
    Effect.flatMap(
      store.findIssuedUrl(id),
      Option.match({ onNone: () => refused("BadReference"), onSome: Effect.succeed })
    )

  const isExpired = ({ expiresAt }: Grant): Effect.Effect<boolean> =>
    Effect.map(Clock.currentTimeMillis, (now) => expiresAt !== undefined && expiresAt <= now)

  /** Passes when the URL is good. */
  const check = (grant: Grant): Effect.Effect<void, UnknownOcapUrlError | StoreError> =>
    Effect.gen(function* () {
      if (yield* isExpired(grant)) return yield* refused("Expired")
      if ((yield* find(grant.id)).revoked) return yield* refused("Revoked")
    })

  const revoke = (grant: Grant): Effect.Effect<void, UnknownOcapUrlError | StoreError> =>
    Effect.gen(function* () {
      if (yield* isExpired(grant)) return
      yield* store.transaction(
        Effect.flatMap(find(grant.id), (issued) => store.putIssuedUrl({ ...issued, revoked: true }))
      )
    })

  return { grant, record, check, revoke }
}

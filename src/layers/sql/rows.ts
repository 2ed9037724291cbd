import * as Effect from "effect/Effect"
import { ArrayFormatter } from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { StoreCorruptError } from "../../errors/StoreError.ts"
import { crc32 } from "../../protocol/Crc32.ts"
import { PeerId } from "../../protocol/PeerId.ts"
import type {
  DeadLetter,
  IssuedUrl,
  KnownRelay,
  PendingDeadline,
  PendingMessage,
  RemoteRecord,
  StoredIdentity,
  StoredRedemption
} from "../../services/RemoteStore.ts"

/** Drivers give 64-bit numbers as numbers, bigints or text. */
const Whole = Schema.transform(
  Schema.Union(Schema.Number, Schema.BigIntFromSelf, Schema.NumberFromString),
  Schema.Int,
  { strict: true, decode: Number, encode: (it) => it }
)

/** 32 bytes, or 60 if they are sealed. */
const Secret = Schema.Redacted(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}([0-9a-f]{56})?$/i)))

const Seal = Schema.Union(
  Schema.TaggedStruct("Key", {}),
  Schema.TaggedStruct("Passphrase", { salt: Schema.String, rounds: Schema.Int })
)

const IdentityRow = Schema.Struct({
  key_seed: Secret,
  peer_id: PeerId,
  ocap_url_key: Secret,
  incarnation_id: Schema.NonEmptyString,
  seal: Schema.NullOr(Schema.parseJson(Seal))
})

const RelayRow = Schema.Struct({ address: Schema.String, last_seen: Whole, bootstrap: Whole })

const IssuedUrlRow = Schema.Struct({ id: Schema.String, expires_at: Schema.NullOr(Whole), revoked: Whole })

const RemoteRow = Schema.Struct({
  peer_id: PeerId,
  hints: Schema.parseJson(Schema.Array(Schema.String)),
  incarnation_id: Schema.NullOr(Schema.String),
  epoch: Whole,
  next_seq: Whole,
  sent_seq: Whole,
  acknowledged_seq: Whole,
  base_seq: Whole,
  received_seq: Whole,
  senders: Schema.parseJson(Schema.Array(Schema.Struct({ from: Schema.Number, process: Schema.String }))),
  received_from: Schema.NullOr(Schema.parseJson(Schema.String)),
  own_incarnation_id: Schema.NullOr(Schema.NonEmptyString),
  active_at: Schema.NullOr(Whole)
})

const IntroductionRow = Schema.Struct({ incarnation_id: Schema.NonEmptyString })

const LettersOfPeerRow = Schema.Struct({ peer_id: PeerId, letters: Whole })

const LetterRow = Schema.Struct({
  id: Whole,
  peer_id: PeerId,
  direction: Schema.Literal("outbound", "inbound"),
  epoch: Whole,
  seq: Whole,
  reason: Schema.Literal(
    "GivenUp",
    "Expired",
    "TooLarge",
    "PeerRestarted",
    "SessionReset",
    "RejectedByPeer",
    "RejectedHere",
    "HandlerFailed",
    "Malformed",
    "LostByPeer"
  ),
  detail: Schema.String,
  at: Whole,
  body: Schema.Uint8ArrayFromSelf
})

const DeadlineRow = Schema.Struct({ seq: Whole, expires_at: Whole })

const EndedRow = Schema.Struct({ seq: Whole, size: Whole })

const RedemptionRow = Schema.Struct({
  peer_id: PeerId,
  reply_key: Schema.String,
  url_digest: Schema.String,
  expires_at: Whole,
  answer: Schema.NullOr(Schema.parseJson(Schema.Struct({ ok: Schema.Boolean, value: Schema.String })))
})

type Rows = ReadonlyArray<unknown>

/** Drivers give subclasses of `Uint8Array`, which behave otherwise in places. */
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Says which column of which row is wrong, never what is in it: it may be a secret. */
const reading = <A, I, B>(table: string, schema: Schema.Schema<A, I>, make: (row: A) => B) => {
  const decode = Schema.decodeUnknown(Schema.Array(schema))
  return (rows: Rows): Effect.Effect<ReadonlyArray<B>, StoreCorruptError> =>
    Effect.mapBoth(decode(rows), {
      onSuccess: (decoded) => decoded.map(make),
      onFailure: (error) => {
        const [row, column] = ArrayFormatter.formatErrorSync(error)[0]?.path ?? []
        return new StoreCorruptError({
          where: `${table}, row ${Number(row) + 1}, column ${String(column)}`,
          reason: "it does not hold what this library writes there"
        })
      }
    })
}

/** @internal */
export const identities = reading("remotes_identity", IdentityRow, (row): StoredIdentity => ({
  keySeed: row.key_seed,
  peerId: row.peer_id,
  ocapUrlKey: row.ocap_url_key,
  incarnationId: row.incarnation_id,
  seal: row.seal ?? undefined
}))

/** @internal */
export const relays = reading("remotes_relays", RelayRow, (row): KnownRelay => ({
  address: row.address,
  lastSeen: row.last_seen,
  bootstrap: row.bootstrap !== 0
}))

/** @internal */
export const issuedUrls = reading("remotes_issued_urls", IssuedUrlRow, (row): IssuedUrl => ({
  id: row.id,
  expiresAt: row.expires_at ?? undefined,
  revoked: row.revoked !== 0
}))

/** @internal */
export const remotes = reading("remotes_peers", RemoteRow, (row): RemoteRecord => ({
  peerId: row.peer_id,
  hints: row.hints,
  incarnationId: row.incarnation_id ?? undefined,
  epoch: row.epoch,
  nextSeq: row.next_seq,
  sentSeq: row.sent_seq,
  acknowledgedSeq: row.acknowledged_seq,
  baseSeq: row.base_seq,
  receivedSeq: row.received_seq,
  senders: row.senders,
  receivedFrom: row.received_from ?? undefined,
  ownIncarnationId: row.own_incarnation_id ?? undefined,
  activeAt: row.active_at ?? undefined
}))

/** @internal */
export const introductions = reading("remotes_introductions", IntroductionRow, (row) => row.incarnation_id)

/** @internal */
export const deadlines = reading("remotes_pending", DeadlineRow, (row): PendingDeadline => ({
  seq: row.seq,
  expiresAt: row.expires_at
}))

/** @internal */
export const ended = reading("remotes_pending", EndedRow, ({ seq, size }) => ({ seq, bytes: size }))

const lettersOfPeers = reading(
  "remotes_dead_letters",
  LettersOfPeerRow,
  ({ letters, peer_id }) => [peer_id, letters] as const
)

/**
 * How many dead letters there are of each peer.
 *
 * @internal
 */
export const lettersByPeer = (
  rows: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyMap<PeerId, number>, StoreCorruptError> =>
  Effect.map(lettersOfPeers(rows), (counts) => new Map(counts))

/** @internal */
export const redemptions = reading("remotes_redemptions", RedemptionRow, (row): StoredRedemption => ({
  peerId: row.peer_id,
  replyKey: row.reply_key,
  urlDigest: row.url_digest,
  expiresAt: row.expires_at,
  answer: row.answer ?? undefined
}))

/** @internal */
export const deadLetters = reading("remotes_dead_letters", LetterRow, ({ body, peer_id, ...row }): DeadLetter => ({
  ...row,
  peerId: peer_id,
  body: plain(body)
}))

/**
 * The number in a column, `NaN` if there is none. Without a schema, because it runs for every message.
 *
 * @internal
 */
export const numberIn = (row: unknown, column: string): number => {
  const value = Predicate.hasProperty(row, column) ? row[column] : undefined
  return typeof value === "number"
    ? value
    : typeof value === "bigint" || typeof value === "string"
      ? Number(value)
      : NaN
}

/**
 * The pending message in a row, or the error that says that its body is not what was appended.
 *
 * @internal
 */
export const pendingIn = (peer: PeerId, row: unknown): PendingMessage | StoreCorruptError => {
  const seq = numberIn(row, "seq")
  const body = Predicate.hasProperty(row, "body") ? row["body"] : undefined
  if (body instanceof Uint8Array && crc32(body) === numberIn(row, "checksum")) return { seq, body: plain(body) }
  return new StoreCorruptError({
    where: `remotes_pending, message ${seq} to ${peer}`,
    reason: "its body does not match its checksum"
  })
}

import { generateKeyPairFromSeed } from "@libp2p/crypto/keys"
import { peerIdFromPrivateKey } from "@libp2p/peer-id"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { StoreUnavailableError, type StoreError } from "../../src/errors/StoreError.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import {
  RemoteStore,
  type DeadLetter,
  type DeadLetterReason,
  type Participant,
  type PendingMessage,
  type RemoteRecord,
  type StoredIdentity,
  type StoredRedemption
} from "../../src/services/RemoteStore.ts"

/** A place that keeps what was committed; `layer` opens it, and may be used again after it was closed. */
export interface Place {
  readonly layer: Layer.Layer<RemoteStore, StoreError>
}

export interface Implementation {
  readonly place: (options: { readonly maxDeadLetters?: number }) => Effect.Effect<Place, never, Scope.Scope>
}

const peerFrom = async (byte: number) => {
  const key = await generateKeyPairFromSeed("Ed25519", new Uint8Array(32).fill(byte))
  return Either.getOrThrow(PeerId.fromString(peerIdFromPrivateKey(key).toString()))
}

export const alice = await peerFrom(1)
export const bob = await peerFrom(2)

export const record = (peerId: PeerId.PeerId, nextSeq = 1): RemoteRecord => ({
  peerId,
  hints: ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"],
  incarnationId: "one",
  epoch: 3,
  nextSeq,
  sentSeq: 4,
  acknowledgedSeq: 5,
  baseSeq: 6,
  receivedSeq: 9_007_199_254_740_991,
  senders: [
    { from: 1, process: "one" },
    { from: 9_007_199_254_740_990, process: "two" }
  ],
  receivedFrom: "\0 and \ud83d",
  ownIncarnationId: "me-2",
  activeAt: 1_700_000_000_000
})

export const message = (seq: number, size = 3): PendingMessage => ({ seq, body: new Uint8Array(size).fill(seq) })

export const messages = (from: number, through: number, size = 3): ReadonlyArray<PendingMessage> =>
  Array.from({ length: through - from + 1 }, (_, at) => message(from + at, size))

export const identity: StoredIdentity = {
  keySeed: Redacted.make("ab".repeat(32)),
  peerId: alice,
  ocapUrlKey: Redacted.make("cd".repeat(32)),
  incarnationId: "0b9b7d3e-7d0f-4f1c-8f50-4a7a6b1c2d3e"
}

export const redemption = (replyKey: string, expiresAt = 5, peerId = bob): StoredRedemption => ({
  peerId,
  replyKey,
  urlDigest: "ef".repeat(32),
  expiresAt,
  answer: undefined
})

export const letter = (seq: number): Omit<DeadLetter, "id"> => ({
  peerId: bob,
  direction: "inbound",
  epoch: 1,
  seq,
  body: Uint8Array.of(seq),
  reason: "HandlerFailed",
  detail: "why",
  at: 1_700_000_000_000
})

/** Each of them; the compiler sees to it that none is missing. */
const reasons: { readonly [Reason in DeadLetterReason]: Reason } = {
  GivenUp: "GivenUp",
  Expired: "Expired",
  TooLarge: "TooLarge",
  PeerRestarted: "PeerRestarted",
  SessionReset: "SessionReset",
  RejectedByPeer: "RejectedByPeer",
  RejectedHere: "RejectedHere",
  HandlerFailed: "HandlerFailed",
  Malformed: "Malformed",
  LostByPeer: "LostByPeer"
}

const everything = { fromSeq: 0, maxMessages: 1_000_000, maxBytes: 1_000_000_000 }

export const seqs = (peer = bob) =>
  Effect.map(
    Effect.flatMap(RemoteStore, (it) => it.readPending(peer, everything)),
    (all) => all.map(({ seq }) => seq)
  )

const failed = new StoreUnavailableError({ operation: "test", reason: "Failed" })

export const recorder = (
  name: string,
  log: Array<string>,
  prepare: Effect.Effect<void, StoreError> = Effect.void
): Participant => ({
  prepare: Effect.zipRight(
    Effect.sync(() => log.push(`${name} prepare`)),
    prepare
  ),
  committed: () => void log.push(`${name} committed`),
  rolledBack: () => void log.push(`${name} rolledBack`),
  savepoint: () => {
    log.push(`${name} savepoint`)
    return () => void log.push(`${name} undo`)
  }
})

/** The promises of `RemoteStore`, each as a test of one implementation. */
export const contract = (name: string, implementation: Implementation): void => {
  const test = (title: string, body: Effect.Effect<void, unknown, RemoteStore | Scope.Scope>) =>
    it.scoped(title, () => Effect.flatMap(implementation.place({}), ({ layer }) => Effect.provide(body, layer)))

  const twice = (
    title: string,
    first: Effect.Effect<void, unknown, RemoteStore | Scope.Scope>,
    second: Effect.Effect<void, unknown, RemoteStore | Scope.Scope>
  ) =>
    it.scoped(title, () =>
      Effect.flatMap(implementation.place({}), ({ layer }) =>
        Effect.zipRight(Effect.provide(first, layer), Effect.provide(second, layer))
      )
    )

  describe(`${name}: data`, () => {
    test(
      "has nothing at first",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        assert.isTrue(Option.isNone(yield* store.loadIdentity))
        assert.deepStrictEqual(yield* store.loadRelays, [])
        assert.deepStrictEqual(yield* store.listRemotes, [])
        assert.isTrue(Option.isNone(yield* store.findRemote(bob)))
        assert.deepStrictEqual(yield* store.readPending(bob, everything), [])
        assert.deepStrictEqual(yield* store.countPending(bob), { messages: 0, bytes: 0 })
        assert.deepStrictEqual(yield* store.listRedemptions(bob), [])
        assert.deepStrictEqual(yield* store.listDeadLetters({ afterId: 0, limit: 10 }), [])
      })
    )

    test(
      "replaces a redemption, lists those of one peer, and removes one or all of them",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const [a, b, c] = [redemption("a", 7), redemption("b", 6), redemption("c", 7)]
        const other = redemption("a", 7, alice)
        for (const it of [c, a, b, other]) yield* store.putRedemption(it)
        assert.deepStrictEqual(yield* store.listRedemptions(bob), [b, a, c])
        const refused = { ...a, answer: { ok: false, value: "\0\ud800" } }
        const granted = { ...b, expiresAt: 9, answer: { ok: true, value: "ro+1" } }
        yield* Effect.zipRight(store.putRedemption(refused), store.putRedemption(granted))
        assert.deepStrictEqual(yield* store.listRedemptions(bob), [refused, c, granted])
        yield* store.removeRedemption(bob, "a")
        yield* store.removeRedemption(bob, "unknown")
        assert.deepStrictEqual(yield* store.listRedemptions(bob), [c, granted])
        yield* Effect.flip(
          store.transaction(
            Effect.gen(function* () {
              yield* store.putRedemption(a)
              yield* store.removeRedemption(bob, "c")
              yield* store.clearRedemptions(alice)
              return yield* Effect.fail("undone")
            })
          )
        )
        assert.deepStrictEqual(yield* store.listRedemptions(bob), [c, granted])
        yield* store.clearRedemptions(bob)
        assert.deepStrictEqual(yield* store.listRedemptions(bob), [])
        assert.deepStrictEqual(yield* store.listRedemptions(alice), [other])
        yield* store.removeRemote(alice, "me-3")
        assert.deepStrictEqual(yield* store.listRedemptions(alice), [])
      })
    )

    twice(
      "keeps everything that was written when it is closed and opened again",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.saveIdentity(identity)
        yield* store.saveRelays([
          { address: "/b", lastSeen: 7, bootstrap: true },
          { address: "/a", lastSeen: 0, bootstrap: false }
        ])
        yield* store.removeRemote(alice, "me-3")
        yield* store.putRemote(record(bob))
        yield* store.putRemote({ ...record(alice), incarnationId: undefined, hints: [] })
        yield* store.appendPending(bob, messages(1, 300))
        yield* store.addDeadLetters([letter(1), letter(2)])
        yield* store.putRedemption({ ...redemption("one"), answer: { ok: true, value: "ro+1" } })
        yield* store.putRedemption(redemption("two"))
      }),
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const stored = Option.getOrThrow(yield* store.loadIdentity)
        assert.strictEqual(Redacted.value(stored.keySeed), "ab".repeat(32))
        assert.strictEqual(Redacted.value(stored.ocapUrlKey), "cd".repeat(32))
        assert.strictEqual(stored.peerId, alice)
        assert.strictEqual(stored.incarnationId, identity.incarnationId)
        assert.deepStrictEqual(yield* store.loadRelays, [
          { address: "/b", lastSeen: 7, bootstrap: true },
          { address: "/a", lastSeen: 0, bootstrap: false }
        ])
        assert.deepStrictEqual(Option.getOrThrow(yield* store.findRemote(bob)), record(bob))
        assert.deepStrictEqual(
          (yield* store.listRemotes).map(({ peerId }) => peerId),
          [alice, bob].sort()
        )
        assert.strictEqual(Option.getOrThrow(yield* store.findRemote(alice)).incarnationId, undefined)
        assert.deepStrictEqual(yield* store.loadIntroduction(alice), Option.some("me-3"))
        assert.deepStrictEqual(yield* store.readPending(bob, everything), messages(1, 300))
        const letters = yield* store.listDeadLetters({ afterId: 0, limit: 10 })
        assert.deepStrictEqual(
          letters.map(({ id: _, ...it }) => it),
          [letter(1), letter(2)]
        )
        assert.deepStrictEqual(yield* store.listRedemptions(bob), [
          { ...redemption("one"), answer: { ok: true, value: "ro+1" } },
          redemption("two")
        ])
      })
    )

    test(
      "replaces the identity, a record and all relays",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.saveIdentity(identity)
        yield* store.saveIdentity({ ...identity, incarnationId: "two" })
        assert.strictEqual(Option.getOrThrow(yield* store.loadIdentity).incarnationId, "two")
        assert.isUndefined(Option.getOrThrow(yield* store.loadIdentity).seal)
        for (const seal of [{ _tag: "Key" }, { _tag: "Passphrase", salt: "0a", rounds: 600_000 }] as const) {
          yield* store.saveIdentity({ ...identity, keySeed: Redacted.make("ef".repeat(60)), seal })
          const sealed = Option.getOrThrow(yield* store.loadIdentity)
          assert.deepStrictEqual(sealed.seal, seal)
          assert.strictEqual(Redacted.value(sealed.keySeed), "ef".repeat(60))
        }
        yield* store.putRemote(record(bob, 1))
        yield* store.putRemote(record(bob, 2))
        assert.deepStrictEqual(yield* store.listRemotes, [record(bob, 2)])
        yield* store.saveRelays([
          { address: "/a", lastSeen: 1, bootstrap: true },
          { address: "/b", lastSeen: 1, bootstrap: true }
        ])
        yield* store.saveRelays([{ address: "/c", lastSeen: 2, bootstrap: false }])
        assert.deepStrictEqual(yield* store.loadRelays, [{ address: "/c", lastSeen: 2, bootstrap: false }])
        yield* store.saveRelays([])
        assert.deepStrictEqual(yield* store.loadRelays, [])
      })
    )

    test(
      "keeps what was issued until it expires or is revoked and told to go",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const issued = [
          { id: "0a", expiresAt: undefined, revoked: false },
          { id: "0b", expiresAt: 1_700_000_000_000, revoked: false },
          { id: "0c", expiresAt: 1_700_000_000_001, revoked: true }
        ]
        const left = Effect.map(
          Effect.forEach(issued, ({ id }) => store.findIssuedUrl(id)),
          (found) => found.filter(Option.isSome).map(({ value }) => value)
        )
        for (const it of issued) yield* store.putIssuedUrl({ ...it, revoked: false })
        yield* store.putIssuedUrl(issued[2] ?? { id: "", expiresAt: undefined, revoked: false })
        assert.deepStrictEqual(yield* left, issued)
        assert.strictEqual(yield* store.countIssuedUrls, 3)
        yield* store.removeExpiredUrls(1_699_999_999_999)
        assert.strictEqual(yield* store.countIssuedUrls, 3)
        const turn = Effect.zipRight(store.removeExpiredUrls(1_700_000_000_000), store.removeRevokedUrls)
        yield* Effect.ignore(store.transaction(Effect.zipRight(turn, Effect.fail("undone"))))
        assert.deepStrictEqual(yield* left, issued)
        yield* store.removeExpiredUrls(1_700_000_000_000)
        assert.deepStrictEqual(yield* left, [issued[0], issued[2]])
        yield* store.removeRevokedUrls
        assert.deepStrictEqual(yield* left, [issued[0]])
        assert.isTrue(Option.isNone(yield* store.findIssuedUrl("0b")))
      })
    )

    test(
      "removes a peer's record and pending messages, and nothing else",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        for (const peer of [alice, bob]) {
          yield* store.putRemote(record(peer))
          yield* store.appendPending(peer, messages(1, 3))
        }
        yield* store.addDeadLetters([letter(9)])
        yield* store.removeRemote(bob, "me-3")
        assert.isTrue(Option.isNone(yield* store.findRemote(bob)))
        assert.deepStrictEqual(yield* seqs(bob), [])
        assert.deepStrictEqual(yield* seqs(alice), [1, 2, 3])
        assert.strictEqual((yield* store.listDeadLetters({ afterId: 0, limit: 10 })).length, 1)
      })
    )

    test(
      "puts a record together with what it says of the pending messages, or none of it",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.putRemote(record(bob), { append: messages(1, 3) })
        yield* store.appendPending(alice, messages(1, 3))
        assert.deepStrictEqual(yield* seqs(bob), [1, 2, 3])
        yield* store.putRemote(record(bob, 6), { append: messages(4, 5), removeThrough: 2 })
        assert.deepStrictEqual(yield* seqs(bob), [3, 4, 5])
        assert.strictEqual(Option.getOrThrow(yield* store.findRemote(bob)).nextSeq, 6)
        const misplaced = store.putRemote(record(bob, 9), { append: messages(5, 7), removeThrough: 4 })
        assert.strictEqual((yield* Effect.flip(misplaced))._tag, "StoreUnavailableError")
        assert.deepStrictEqual(yield* seqs(bob), [3, 4, 5])
        assert.strictEqual(Option.getOrThrow(yield* store.findRemote(bob)).nextSeq, 6)
        yield* store.putRemote(record(bob, 6), { removeThrough: 5 })
        assert.deepStrictEqual(yield* seqs(bob), [])
        assert.deepStrictEqual(yield* seqs(alice), [1, 2, 3])
      })
    )

    test(
      "introduces the kernel to a peer as the last removal of that peer said",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.putRemote(record(bob))
        yield* store.removeRemote(bob, "me-3")
        yield* store.saveIdentity(identity)
        yield* store.putRemote(record(bob))
        assert.deepStrictEqual(yield* store.loadIntroduction(bob), Option.some("me-3"))
        assert.deepStrictEqual(yield* store.loadIntroduction(alice), Option.none())
        const undone = Effect.zipRight(store.removeRemote(bob, "me-4"), Effect.fail("undone"))
        yield* store.transaction(
          Effect.zipRight(store.removeRemote(alice, "me-5"), Effect.flip(store.transaction(undone)))
        )
        assert.deepStrictEqual(yield* store.loadIntroduction(bob), Option.some("me-3"))
        assert.deepStrictEqual(yield* store.loadIntroduction(alice), Option.some("me-5"))
        yield* store.removeRemote(bob, "me-6")
        assert.deepStrictEqual(yield* store.loadIntroduction(bob), Option.some("me-6"))
      })
    )

    test(
      "keeps bytes as they were handed over, whatever becomes of others in the same buffer",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const short = new Uint8Array(5000).fill(7)
        short.set([1, 2, 255], 1)
        const long = new Uint8Array(5000).fill(3)
        yield* store.appendPending(bob, [
          { seq: 1, body: short.subarray(1, 4) },
          { seq: 2, body: new Uint8Array(0) },
          { seq: 3, body: long.subarray(100) }
        ])
        for (const bytes of [short.subarray(0, 1), short.subarray(4), long.subarray(0, 100)]) bytes.fill(9)
        for (const again of [yield* store.readPending(bob, everything), yield* store.readPending(bob, everything)]) {
          assert.deepStrictEqual(again, [
            { seq: 1, body: Uint8Array.of(1, 2, 255) },
            { seq: 2, body: new Uint8Array(0) },
            { seq: 3, body: new Uint8Array(4900).fill(3) }
          ])
          assert.strictEqual(Object.getPrototypeOf(again[0]?.body), Uint8Array.prototype)
          assert.isTrue(again.every(({ body }) => body.buffer.byteLength <= Math.max(8192, 2 * body.length)))
        }
      })
    )

    test(
      "reads pending messages in order, from where it is asked to, as many as both limits allow",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.appendPending(alice, messages(1, 5))
        yield* store.appendPending(bob, messages(2, 700, 10))
        const read = (fromSeq: number, maxMessages: number, maxBytes: number) =>
          Effect.map(store.readPending(bob, { fromSeq, maxMessages, maxBytes }), (all) => all.map(({ seq }) => seq))
        const range = (from: number, through: number) => messages(from, through).map(({ seq }) => seq)
        assert.deepStrictEqual(yield* read(1, 3, 1_000), [2, 3, 4])
        assert.deepStrictEqual(yield* read(5, 3, 1_000), [5, 6, 7])
        assert.deepStrictEqual(yield* read(5, 100, 30), [5, 6, 7])
        assert.deepStrictEqual(yield* read(5, 100, 39), [5, 6, 7])
        assert.deepStrictEqual(yield* read(5, 100, 0), [5])
        assert.deepStrictEqual(yield* read(5, 0, 100), [5])
        assert.deepStrictEqual(yield* read(699, 100, 100), [699, 700])
        assert.deepStrictEqual(yield* read(701, 100, 100), [])
        assert.deepStrictEqual(yield* read(2, 699, 1_000_000), range(2, 700))
        assert.deepStrictEqual(yield* read(2, 600, 1_000_000), range(2, 601))
        assert.deepStrictEqual(yield* read(2, 1_000, 5_005), range(2, 501))
        assert.deepStrictEqual(yield* read(2, 256, 1_000_000), range(2, 257))
        assert.deepStrictEqual(yield* read(2, 1_000, 2_560), range(2, 257))
      })
    )

    test(
      "counts and removes pending messages from the front",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.appendPending(bob, messages(1, 100, 10))
        yield* store.removePending(bob, 97)
        assert.deepStrictEqual(yield* seqs(), [98, 99, 100])
        assert.deepStrictEqual(yield* store.countPending(bob), { messages: 3, bytes: 30 })
        yield* store.removePending(bob, 97)
        yield* store.removePending(alice, 100)
        yield* store.appendPending(bob, messages(101, 102, 10))
        assert.deepStrictEqual(yield* seqs(), [98, 99, 100, 101, 102])
        yield* store.removePending(bob, 1_000)
        assert.deepStrictEqual(yield* store.countPending(bob), { messages: 0, bytes: 0 })
        yield* store.appendPending(bob, messages(1, 1))
        assert.deepStrictEqual(yield* seqs(), [1])
      })
    )

    test(
      "refuses a number that is there already, and appends nothing of that batch",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.appendPending(bob, messages(1, 3))
        const error = yield* Effect.flip(store.appendPending(bob, messages(3, 200)))
        assert.strictEqual(error._tag, "StoreUnavailableError")
        assert.deepStrictEqual(yield* seqs(), [1, 2, 3])
      })
    )

    test(
      "lists letters oldest first, from where it is asked to, and removes one",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.addDeadLetters(messages(1, 5).map(({ seq }) => letter(seq)))
        const all = yield* store.listDeadLetters({ afterId: 0, limit: 100 })
        assert.deepStrictEqual(
          all.map(({ seq }) => seq),
          [1, 2, 3, 4, 5]
        )
        const second = all[1]?.id ?? 0
        const page = yield* store.listDeadLetters({ afterId: second, limit: 2 })
        assert.deepStrictEqual(
          page.map(({ seq }) => seq),
          [3, 4]
        )
        yield* store.removeDeadLetter(all[4]?.id ?? 0)
        yield* store.removeDeadLetter(second)
        yield* store.addDeadLetters([letter(6)])
        const left = yield* store.listDeadLetters({ afterId: 0, limit: 100 })
        assert.deepStrictEqual(
          left.map(({ seq }) => seq),
          [1, 3, 4, 6]
        )
        assert.isAbove(left[3]?.id ?? 0, all[4]?.id ?? Infinity, "a number is not given twice")
      })
    )

    test(
      "finds a letter by its number, as a copy",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.addDeadLetters([letter(1), letter(2)])
        const [, second] = yield* store.listDeadLetters({ afterId: 0, limit: 2 })
        const id = second?.id ?? 0
        const found = Option.getOrThrow(yield* store.findDeadLetter(id))
        assert.deepStrictEqual(found, { ...letter(2), id })
        found.body.fill(9)
        assert.deepStrictEqual(Option.getOrThrow(yield* store.findDeadLetter(id)).body, Uint8Array.of(2))
        yield* store.removeDeadLetter(id)
        assert.isTrue(Option.isNone(yield* store.findDeadLetter(id)))
      })
    )

    test(
      "removes the letters that are older than a time, and counts them",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.addDeadLetters([10, 30, 20, 40].map((at) => ({ ...letter(at), at })))
        const removal = store.removeDeadLettersBefore(30)
        yield* Effect.ignore(store.transaction(Effect.zipRight(removal, Effect.fail("undone"))))
        assert.strictEqual(yield* removal, 2)
        assert.strictEqual(yield* removal, 0)
        assert.deepStrictEqual(
          (yield* store.listDeadLetters({ afterId: 0, limit: 9 })).map(({ at }) => at),
          [30, 40]
        )
      })
    )

    test(
      "moves everything pending for a peer to the letters",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.appendPending(bob, messages(4, 6))
        yield* store.appendPending(alice, messages(1, 1))
        const why = { epoch: 2 ** 52, reason: "GivenUp", detail: "tired", at: 1_700_000_000_000 } as const
        assert.strictEqual(yield* store.buryPending(bob, why), 3)
        assert.strictEqual(yield* store.buryPending(bob, why), 0)
        const letters = yield* store.listDeadLetters({ afterId: 0, limit: 10 })
        assert.deepStrictEqual(
          letters.map(({ id: _, ...it }) => it),
          messages(4, 6).map((it) => ({ ...it, ...why, peerId: bob, direction: "outbound" as const }))
        )
        assert.deepStrictEqual(yield* seqs(bob), [])
        assert.deepStrictEqual(yield* seqs(alice), [1])
      })
    )

    const lasting = (from: number, through: number, expiresAt: number) =>
      messages(from, through).map((it) => ({ ...it, expiresAt }))
    const expiry = { epoch: 2, detail: "too late", at: 50 } as const

    test(
      "ends what has expired above a number: a letter is kept of it, and its number stays",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.appendPending(bob, [...lasting(3, 5, 50), message(6), ...lasting(7, 7, 51), ...lasting(8, 8, 49)])
        yield* store.appendPending(alice, lasting(5, 5, 1))
        assert.deepStrictEqual(
          (yield* store.listDeadlines(bob, 4)).map(({ expiresAt, seq }) => [seq, expiresAt]),
          [
            [5, 50],
            [7, 51],
            [8, 49]
          ]
        )
        assert.deepStrictEqual(yield* store.expirePending(bob, { ...expiry, afterSeq: 3, at: 48 }), [])
        assert.deepStrictEqual(
          (yield* store.expirePending(bob, { ...expiry, afterSeq: 3 })).map(({ bytes, seq }) => [seq, bytes]),
          [
            [4, 3],
            [5, 3],
            [8, 3]
          ]
        )
        const left = yield* store.readPending(bob, everything)
        assert.deepStrictEqual(
          left.map(({ body, seq }) => [seq, body.length]),
          [
            [3, 3],
            [4, 0],
            [5, 0],
            [6, 3],
            [7, 3],
            [8, 0]
          ]
        )
        assert.deepStrictEqual(yield* store.countPending(bob), { messages: 6, bytes: 9 })
        assert.deepStrictEqual(
          (yield* store.listDeadlines(bob, 0)).map(({ seq }) => seq),
          [3, 7]
        )
        assert.deepStrictEqual(
          (yield* store.listDeadLetters({ afterId: 0, limit: 10 })).map(({ id: _, ...it }) => it),
          [4, 5, 8].map((seq) => ({
            ...message(seq),
            ...expiry,
            peerId: bob,
            direction: "outbound" as const,
            reason: "Expired" as const
          }))
        )
        assert.strictEqual(yield* store.buryPending(bob, { ...expiry, reason: "GivenUp" }), 6)
        assert.deepStrictEqual(
          (yield* store.listDeadLetters({ afterId: 0, limit: 10 })).map(({ seq }) => seq),
          [4, 5, 8, 3, 6, 7]
        )
      })
    )

    test(
      "ends what is too large above a number: a letter is kept of it, and its number stays",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const sized = (seq: number, bytes: number) => ({ seq, body: new Uint8Array(bytes).fill(seq) })
        yield* store.appendPending(bob, [sized(3, 9), sized(4, 8), { ...sized(5, 9), expiresAt: 50 }, sized(6, 3)])
        yield* store.appendPending(alice, [sized(5, 9)])
        const why = { epoch: 2, detail: "too large", at: 50 } as const
        const end = store.endTooLarge(bob, { ...why, afterSeq: 3, maxBytes: 8 })
        assert.deepStrictEqual(
          (yield* end).map(({ bytes, seq }) => [seq, bytes]),
          [[5, 9]]
        )
        const left = yield* store.readPending(bob, everything)
        assert.deepStrictEqual(
          left.map(({ body, seq }) => [seq, body.length]),
          [
            [3, 9],
            [4, 8],
            [5, 0],
            [6, 3]
          ]
        )
        assert.deepStrictEqual(
          (yield* store.listDeadLetters({ afterId: 0, limit: 10 })).map(({ id: _, ...it }) => it),
          [{ ...sized(5, 9), ...why, peerId: bob, direction: "outbound" as const, reason: "TooLarge" as const }]
        )
        assert.deepStrictEqual(yield* store.listDeadlines(bob, 0), [])
        assert.deepStrictEqual(yield* end, [])
        assert.deepStrictEqual(yield* store.countPending(alice), { messages: 1, bytes: 9 })
      })
    )

    twice(
      "takes back an expiry with the transaction, and keeps one that was committed",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.appendPending(bob, lasting(1, 3, 50))
        const expire = store.expirePending(bob, { ...expiry, afterSeq: 1 })
        yield* Effect.ignore(store.transaction(Effect.zipRight(expire, Effect.fail("undone"))))
        assert.deepStrictEqual(yield* store.readPending(bob, everything), messages(1, 3))
        assert.deepStrictEqual(yield* store.listDeadLetters({ afterId: 0, limit: 10 }), [])
        assert.strictEqual((yield* store.listDeadlines(bob, 0)).length, 3)
        yield* expire
      }),
      Effect.gen(function* () {
        const store = yield* RemoteStore
        assert.deepStrictEqual(
          (yield* store.readPending(bob, everything)).map(({ body }) => body.length),
          [3, 0, 0]
        )
        assert.strictEqual((yield* store.listDeadlines(bob, 0)).length, 1)
        assert.strictEqual((yield* store.listDeadLetters({ afterId: 0, limit: 10 })).length, 2)
      })
    )

    test(
      "gives back a letter of whatever reason",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.addDeadLetters(Object.values(reasons).map((reason) => ({ ...letter(1), reason })))
        const kept = yield* store.listDeadLetters({ afterId: 0, limit: 100 })
        assert.deepStrictEqual(
          kept.map(({ reason }) => reason),
          Object.values(reasons)
        )
      })
    )

    it.scoped("has a peer's letters push out those of no other peer that has fewer", () =>
      Effect.gen(function* () {
        const { layer } = yield* implementation.place({ maxDeadLetters: 6 })
        yield* Effect.provide(
          Effect.gen(function* () {
            const store = yield* RemoteStore
            const kept = Effect.map(store.listDeadLetters({ afterId: 0, limit: 100 }), (all) =>
              all.map(({ peerId, seq }) => `${peerId === alice ? "alice" : "bob"} ${seq}`)
            )
            yield* store.addDeadLetters([1, 2].map((seq) => ({ ...letter(seq), peerId: alice })))
            for (const { seq } of messages(1, 20)) yield* store.addDeadLetters([letter(seq)])
            assert.deepStrictEqual(yield* kept, ["alice 1", "alice 2", "bob 17", "bob 18", "bob 19", "bob 20"])
            yield* store.appendPending(alice, messages(10, 30))
            yield* store.buryPending(alice, { epoch: 1, reason: "GivenUp", detail: "", at: 1 })
            assert.deepStrictEqual(yield* kept, ["bob 18", "bob 19", "bob 20", "alice 28", "alice 29", "alice 30"])
          }),
          layer
        )
      })
    )

    it.scoped("keeps no more letters than the cap; the oldest fall out", () =>
      Effect.gen(function* () {
        const { layer } = yield* implementation.place({ maxDeadLetters: 5 })
        yield* Effect.provide(
          Effect.gen(function* () {
            const store = yield* RemoteStore
            const kept = Effect.map(store.listDeadLetters({ afterId: 0, limit: 100 }), (all) =>
              all.map(({ seq }) => seq)
            )
            yield* store.addDeadLetters(messages(1, 5).map(({ seq }) => letter(seq)))
            assert.deepStrictEqual(yield* kept, [1, 2, 3, 4, 5])
            yield* store.addDeadLetters([letter(6), letter(7)])
            assert.deepStrictEqual(yield* kept, [3, 4, 5, 6, 7])
            const [, second] = yield* store.listDeadLetters({ afterId: 0, limit: 2 })
            yield* store.removeDeadLetter(second?.id ?? 0)
            yield* store.addDeadLetters([letter(8)])
            assert.deepStrictEqual(yield* kept, [3, 5, 6, 7, 8])
            yield* store.addDeadLetters(messages(10, 30).map(({ seq }) => letter(seq)))
            assert.deepStrictEqual(yield* kept, [26, 27, 28, 29, 30])
            yield* store.appendPending(bob, messages(40, 60))
            assert.strictEqual(yield* store.buryPending(bob, { epoch: 1, reason: "GivenUp", detail: "", at: 1 }), 21)
            assert.deepStrictEqual(yield* kept, [56, 57, 58, 59, 60])
            yield* store.appendPending(bob, messages(61, 63))
            yield* store.buryPending(bob, { epoch: 1, reason: "GivenUp", detail: "", at: 1 })
            assert.deepStrictEqual(yield* kept, [59, 60, 61, 62, 63])
          }),
          layer
        )
      })
    )
  })

  describe(`${name}: transactions`, () => {
    test(
      "commits all of a turn and returns its value",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const value = yield* store.transaction(
          Effect.gen(function* () {
            assert.isTrue(yield* store.inTransaction)
            yield* store.appendPending(bob, messages(1, 2))
            yield* store.putRemote(record(bob, 3))
            assert.deepStrictEqual(yield* seqs(), [1, 2], "a turn sees what it wrote")
            return 42
          })
        )
        assert.strictEqual(value, 42)
        assert.isFalse(yield* store.inTransaction)
        assert.deepStrictEqual(yield* seqs(), [1, 2])
      })
    )

    const change = Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* store.saveIdentity({ ...identity, incarnationId: "other" })
      yield* store.saveRelays([])
      yield* store.putRemote(record(bob, 99))
      yield* store.putRemote(record(alice))
      yield* store.removePending(bob, 2)
      yield* store.appendPending(bob, messages(4, 80))
      yield* store.appendPending(alice, messages(1, 3))
      yield* store.removeRemote(alice, "me-3")
      yield* store.addDeadLetters([letter(2)])
      yield* store.buryPending(bob, { epoch: 1, reason: "GivenUp", detail: "", at: 1 })
      yield* store.appendPending(bob, messages(100, 101))
      yield* store.removeDeadLetter(1)
    })
    const setUp = Effect.gen(function* () {
      const store = yield* RemoteStore
      yield* store.saveIdentity(identity)
      yield* store.saveRelays([{ address: "/a", lastSeen: 1, bootstrap: true }])
      yield* store.putRemote(record(bob))
      yield* store.appendPending(bob, messages(1, 3))
      yield* store.addDeadLetters([letter(1)])
    })
    const asSetUp = Effect.gen(function* () {
      const store = yield* RemoteStore
      assert.strictEqual(Option.getOrThrow(yield* store.loadIdentity).incarnationId, identity.incarnationId)
      assert.strictEqual((yield* store.loadRelays).length, 1)
      assert.deepStrictEqual(yield* store.listRemotes, [record(bob)])
      assert.deepStrictEqual(yield* store.loadIntroduction(alice), Option.none())
      assert.deepStrictEqual(yield* store.readPending(bob, everything), messages(1, 3))
      assert.deepStrictEqual(yield* store.countPending(bob), { messages: 3, bytes: 9 })
      assert.deepStrictEqual(yield* seqs(alice), [])
      assert.deepStrictEqual(
        (yield* store.listDeadLetters({ afterId: 0, limit: 9 })).map(({ seq }) => seq),
        [1]
      )
    })

    test(
      "undoes all of a turn that fails, dies or is interrupted",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* setUp
        assert.strictEqual(yield* Effect.flip(store.transaction(Effect.zipRight(change, Effect.fail("no")))), "no")
        yield* asSetUp
        const died = yield* Effect.exit(store.transaction(Effect.zipRight(change, Effect.die("bug"))))
        assert.deepStrictEqual(died, Exit.die("bug"))
        yield* asSetUp
        const changed = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(
          store.transaction(
            change.pipe(Effect.zipRight(Deferred.succeed(changed, undefined)), Effect.zipRight(Effect.never))
          )
        )
        yield* Deferred.await(changed)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        yield* asSetUp
      })
    )

    twice(
      "has forgotten an uncommitted turn after a crash",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* setUp
        const changed = yield* Deferred.make<void>()
        yield* Effect.forkScoped(
          store.transaction(
            change.pipe(Effect.zipRight(Deferred.succeed(changed, undefined)), Effect.zipRight(Effect.never))
          )
        )
        yield* Deferred.await(changed)
      }).pipe(Effect.scoped),
      asSetUp
    )

    test(
      "undoes only the nested transaction that fails",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.transaction(
          Effect.gen(function* () {
            yield* setUp
            yield* Effect.flip(store.transaction(Effect.zipRight(change, Effect.fail("no"))))
            yield* asSetUp
            yield* store.transaction(
              Effect.gen(function* () {
                yield* store.removePending(bob, 1)
                yield* Effect.flip(store.transaction(Effect.zipRight(change, Effect.fail("no"))))
                yield* Effect.flip(store.transaction(Effect.zipRight(store.removePending(bob, 2), Effect.fail("no"))))
                yield* store.transaction(store.appendPending(bob, messages(4, 4)))
              })
            )
            assert.deepStrictEqual(yield* seqs(), [2, 3, 4])
          })
        )
        assert.deepStrictEqual(yield* seqs(), [2, 3, 4])
      })
    )

    test(
      "undoes a nested transaction that succeeded with the one around it",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* setUp
        yield* Effect.flip(store.transaction(Effect.zipRight(store.transaction(change), Effect.fail("no"))))
        yield* asSetUp
        yield* store.transaction(
          Effect.ignore(store.transaction(Effect.zipRight(store.transaction(change), Effect.fail("no"))))
        )
        yield* asSetUp
      })
    )

    test(
      "runs transactions one at a time, in the order in which they asked",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        const held = yield* Deferred.make<void>()
        const turn = (index: number) =>
          store.transaction(
            Effect.gen(function* () {
              log.push(`begin ${index}`)
              if (index === 0) yield* Deferred.await(held)
              else yield* Effect.yieldNow()
              yield* store.putRemote(record(bob, index))
              log.push(`end ${index}`)
            })
          )
        const fibers = yield* Effect.forEach([0, 1, 2, 3, 4], (index) =>
          Effect.zipLeft(Effect.fork(turn(index)), Effect.yieldNow())
        )
        // Who asks after it waits behind, although nobody is waiting any more at the moment when 0 lets go.
        yield* Fiber.interrupt(fibers[2] ?? Fiber.void)
        yield* Deferred.succeed(held, undefined)
        yield* turn(9)
        assert.deepStrictEqual(
          log,
          [0, 1, 3, 4, 9].flatMap((index) => [`begin ${index}`, `end ${index}`])
        )
      })
    )

    test(
      "shows nobody outside what is not committed",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const written = yield* Deferred.make<void>()
        const held = yield* Deferred.make<void>()
        const turn = yield* Effect.fork(
          store.transaction(
            Effect.gen(function* () {
              yield* store.appendPending(bob, messages(1, 1))
              yield* Deferred.succeed(written, undefined)
              yield* Deferred.await(held)
              return yield* Effect.fail("no")
            })
          )
        )
        yield* Deferred.await(written)
        assert.isFalse(yield* store.inTransaction)
        const reader = yield* Effect.fork(seqs())
        const writer = yield* Effect.fork(store.appendPending(bob, messages(7, 7)))
        yield* Effect.yieldNow()
        yield* Deferred.succeed(held, undefined)
        yield* Fiber.await(turn)
        assert.deepStrictEqual(yield* Fiber.join(reader), [])
        yield* Fiber.join(writer)
        assert.deepStrictEqual(yield* seqs(), [7])
      })
    )

    test(
      "lets fibers of one turn nest at the same time",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.transaction(
          Effect.forEach(
            [alice, bob],
            (peer, index) =>
              Effect.ignore(
                store.transaction(
                  Effect.gen(function* () {
                    yield* store.appendPending(peer, messages(1, 1))
                    yield* Effect.yieldNow()
                    yield* store.appendPending(peer, messages(2, 2))
                    if (index === 0) yield* Effect.fail("no")
                  })
                )
              ),
            { concurrency: "unbounded" }
          )
        )
        assert.deepStrictEqual(yield* seqs(alice), [])
        assert.deepStrictEqual(yield* seqs(bob), [1, 2])
      })
    )

    test(
      "does not take a fiber that outlived its transaction to be in it",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const over = yield* Deferred.make<void>()
        const scope = yield* Effect.scope
        const late = yield* store.transaction(
          Effect.forkIn(
            Effect.gen(function* () {
              yield* Deferred.await(over)
              const inside = yield* store.inTransaction
              const enlisted = yield* Effect.exit(store.enlist(recorder("late", [])))
              yield* store.appendPending(bob, messages(1, 1))
              yield* store.transaction(store.appendPending(bob, messages(2, 2)))
              return { inside, enlisted }
            }),
            scope
          )
        )
        yield* Deferred.succeed(over, undefined)
        const { enlisted, inside } = yield* Fiber.join(late)
        assert.isFalse(inside)
        assert.isTrue(Exit.isFailure(enlisted) && Cause.isDie(enlisted.cause))
        assert.deepStrictEqual(yield* seqs(), [1, 2])
      })
    )

    test(
      "dies when a nested transaction is still running at the end, and commits nothing",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const scope = yield* Effect.scope
        const begun = yield* Deferred.make<void>()
        const held = yield* Deferred.make<void>()
        const log: Array<string> = []
        const stray = yield* Deferred.make<Fiber.RuntimeFiber<void, StoreError>>()
        const exit = yield* Effect.exit(
          store.transaction(
            Effect.gen(function* () {
              yield* store.enlist(recorder("p", log))
              yield* store.appendPending(bob, messages(1, 1))
              const nested = store.transaction(
                Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(held))
              )
              yield* Deferred.succeed(stray, yield* Effect.forkIn(nested, scope))
              yield* Deferred.await(begun)
            })
          )
        )
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        yield* store.transaction(
          Effect.gen(function* () {
            yield* store.appendPending(bob, messages(5, 5))
            yield* Deferred.succeed(held, undefined)
            const ended = yield* Effect.flatMap(Deferred.await(stray), Fiber.await)
            assert.isTrue(Exit.isFailure(ended) && Cause.isDie(ended.cause))
          })
        )
        assert.deepStrictEqual(yield* seqs(), [5])
        assert.deepStrictEqual(log, ["p savepoint", "p prepare", "p rolledBack"])
      })
    )

    test(
      "commits nothing of a turn that goes on after one of its writes failed",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        yield* store.appendPending(bob, messages(1, 3))
        const clash = store.appendPending(bob, messages(3, 3))
        const exit = yield* Effect.either(
          store.transaction(
            Effect.gen(function* () {
              yield* store.putRemote(record(bob))
              yield* Effect.ignore(clash)
              yield* Effect.ignore(store.transaction(Effect.sync(() => assert.fail("nothing more can be nested"))))
              assert.isTrue(Either.isLeft(yield* Effect.either(store.listRemotes)))
            })
          )
        )
        assert.isTrue(Either.isLeft(exit))
        assert.deepStrictEqual(yield* store.listRemotes, [])
        yield* store.transaction(
          Effect.gen(function* () {
            yield* store.putRemote(record(bob))
            assert.isTrue(Either.isLeft(yield* Effect.either(store.transaction(Effect.ignore(clash)))))
            yield* store.appendPending(bob, messages(4, 4))
          })
        )
        assert.deepStrictEqual(yield* seqs(), [1, 2, 3, 4])
        assert.strictEqual((yield* store.listRemotes).length, 1)
      })
    )

    test(
      "can be written again after a failure",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const appended = store.transaction(store.appendPending(bob, messages(1, 200)))
        yield* appended
        yield* store.removePending(bob, 200)
        yield* appended
        assert.strictEqual((yield* seqs()).length, 200)
      })
    )

    it.scoped("belongs to the kernel that opened it last: no turn of the one before commits, and none begins", () =>
      Effect.gen(function* () {
        const { layer } = yield* implementation.place({})
        const old = Context.get(yield* Layer.build(layer), RemoteStore)
        yield* old.appendPending(bob, messages(1, 1))
        const young = Context.get(yield* Layer.build(layer), RemoteStore)
        yield* young.appendPending(bob, messages(2, 2))
        let began = false
        const turn = old.transaction(
          Effect.zipRight(
            Effect.sync(() => (began = true)),
            old.putRemote(record(bob))
          )
        )
        for (const call of [turn, old.appendPending(bob, messages(2, 2)), old.removePending(bob, 2)]) {
          const error = yield* Effect.flip(call)
          assert.isTrue(error._tag === "StoreUnavailableError" && !error.isTransient)
        }
        assert.isFalse(began)
        yield* young.transaction(young.appendPending(bob, messages(3, 3)))
        assert.deepStrictEqual(yield* Effect.provideService(seqs(), RemoteStore, young), [1, 2, 3])
        assert.deepStrictEqual(yield* young.listRemotes, [])
      })
    )
  })

  describe(`${name}: participants`, () => {
    test(
      "prepares each once in the transaction, and tells it of the commit",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        const late = recorder("late", log, store.appendPending(alice, messages(1, 1)))
        const early = recorder(
          "early",
          log,
          Effect.gen(function* () {
            assert.isTrue(yield* store.inTransaction)
            yield* store.appendPending(bob, messages(1, 1))
            yield* store.enlist(late)
          })
        )
        yield* store.transaction(
          Effect.gen(function* () {
            yield* store.enlist(early)
            yield* store.enlist(early)
            assert.deepStrictEqual(log, [])
          })
        )
        assert.deepStrictEqual(log, ["early prepare", "late prepare", "early committed", "late committed"])
        assert.deepStrictEqual(yield* seqs(alice), [1])
        assert.deepStrictEqual(yield* seqs(bob), [1])
      })
    )

    test(
      "takes along from the start whom the transaction is begun with, once, also where that is nested",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        const outer = recorder("outer", log)
        const inner = recorder("inner", log)
        yield* store.transaction(
          Effect.gen(function* () {
            yield* store.enlist(outer)
            yield* Effect.flip(store.transaction(Effect.fail("no"), inner))
            assert.deepStrictEqual(log.splice(0), ["outer savepoint", "inner rolledBack", "outer undo"])
            yield* store.transaction(Effect.void, outer)
            yield* store.transaction(store.enlist(inner), inner)
            assert.deepStrictEqual(log.splice(0), ["outer savepoint", "outer savepoint"])
          }),
          outer
        )
        assert.deepStrictEqual(log.splice(0), ["outer prepare", "inner prepare", "outer committed", "inner committed"])
        yield* Effect.flip(store.transaction(Effect.fail("no"), outer))
        assert.deepStrictEqual(log, ["outer rolledBack"])
      })
    )

    test(
      "tells it of the rollback, and not of a commit",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        yield* Effect.flip(store.transaction(Effect.zipRight(store.enlist(recorder("p", log)), Effect.fail("no"))))
        assert.deepStrictEqual(log, ["p rolledBack"])
      })
    )

    test(
      "undoes everything when one cannot prepare",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        const error = yield* Effect.flip(
          store.transaction(
            Effect.gen(function* () {
              yield* store.putRemote(record(bob))
              yield* store.enlist(recorder("a", log))
              yield* store.enlist(recorder("b", log, Effect.fail(failed)))
              yield* store.enlist(recorder("c", log))
            })
          )
        )
        assert.strictEqual(error, failed)
        assert.deepStrictEqual(log, ["a prepare", "b prepare", "c rolledBack", "b rolledBack", "a rolledBack"])
        assert.deepStrictEqual(yield* store.listRemotes, [])
      })
    )

    test(
      "cannot be interrupted from the first preparation on",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        const preparing = yield* Deferred.make<void>()
        const held = yield* Deferred.make<void>()
        const slow = Effect.zipRight(Deferred.succeed(preparing, undefined), Deferred.await(held))
        const turn = yield* Effect.fork(
          store.transaction(
            Effect.gen(function* () {
              yield* store.appendPending(bob, messages(1, 1))
              yield* store.enlist(recorder("p", log, slow))
            })
          )
        )
        yield* Deferred.await(preparing)
        const interrupting = yield* Effect.fork(Fiber.interrupt(turn))
        yield* Effect.yieldNow()
        yield* Deferred.succeed(held, undefined)
        yield* Fiber.join(interrupting)
        assert.deepStrictEqual(log, ["p prepare", "p committed"])
        assert.deepStrictEqual(yield* seqs(), [1])
      })
    )

    test(
      "undoes what was staged in a nested transaction that fails, and forgets who joined in it",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        const old = recorder("old", log)
        const young = recorder("young", log)
        yield* store.transaction(
          Effect.gen(function* () {
            yield* store.enlist(old)
            yield* Effect.flip(
              store.transaction(
                Effect.gen(function* () {
                  yield* store.enlist(young)
                  yield* store.enlist(old)
                  yield* Effect.fail("no")
                })
              )
            )
            assert.deepStrictEqual(log.splice(0), ["old savepoint", "young rolledBack", "old undo"])
            yield* store.transaction(store.enlist(young))
            assert.deepStrictEqual(log.splice(0), ["old savepoint"])
          })
        )
        assert.deepStrictEqual(log, ["old prepare", "young prepare", "old committed", "young committed"])
      })
    )

    test(
      "takes along who joined in a nested transaction when the one around that fails",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        yield* store.transaction(
          Effect.ignore(
            store.transaction(Effect.zipRight(store.transaction(store.enlist(recorder("p", log))), Effect.fail("no")))
          )
        )
        assert.deepStrictEqual(log, ["p rolledBack"])
      })
    )

    test(
      "tells all of them even if one throws, which is a defect",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const log: Array<string> = []
        const broken: Participant = {
          ...recorder("broken", log),
          committed: () => {
            throw new Error("bug")
          }
        }
        const exit = yield* Effect.exit(
          store.transaction(
            Effect.gen(function* () {
              yield* store.putRemote(record(bob))
              yield* store.enlist(broken)
              yield* store.enlist(recorder("p", log))
            })
          )
        )
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        assert.include(log, "p committed")
        assert.strictEqual((yield* store.listRemotes).length, 1)
      })
    )

    test(
      "cannot join outside of a transaction",
      Effect.gen(function* () {
        const store = yield* RemoteStore
        const exit = yield* Effect.exit(store.enlist(recorder("p", [])))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      })
    )
  })
}

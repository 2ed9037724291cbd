import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { sha256 } from "multiformats/hashes/sha2"
import type { NetworkStoppedError } from "../../errors/ConnectionError.ts"
import type { OutcomeUnknownError } from "../../errors/RemoteError.ts"
import { RedemptionRefusedError, RedemptionTimeoutError } from "../../errors/RemoteError.ts"
import type { StoreError } from "../../errors/StoreError.ts"
import { ResourceLimitError } from "../../errors/TransportError.ts"
import type { OcapUrl } from "../../protocol/OcapUrl.ts"
import type { Content } from "../../protocol/WireMessage.ts"
import { Entropy } from "../../services/Entropy.ts"
import type { DeliverError, RemoteHandleService } from "../../services/RemoteHandle.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { RemoteStore, StoredRedemption } from "../../services/RemoteStore.ts"
import type { Core } from "./Core.ts"

/** How many redemptions may be on record for one peer. */
const maxRedemptions = 1000

type Answer = NonNullable<StoredRedemption["answer"]>

interface Asked {
  readonly stored: StoredRedemption
  readonly waiters: Set<Deferred.Deferred<Answer, OutcomeUnknownError | NetworkStoppedError>>
  answer: Answer | undefined
}

/**
 * What a peer was asked for, in this life of the kernel or one before it.
 *
 * @internal
 */
export interface Redemptions {
  readonly redeem: RemoteHandleService["redeemOcapUrl"]
  /** Takes the peer's answer, in the transaction of its receipt. */
  readonly answer: (content: Extract<Content, { _tag: "RedeemUrlReply" }>) => Effect.Effect<void, StoreError>
  /** Tells those who wait that no answer will come. What is on record goes with the conversation (`stageEnding`). */
  readonly reject: (why: OutcomeUnknownError | NetworkStoppedError) => void
  /** How many answers somebody waits for, or may ask for after a crash, at this time (ms since the Unix epoch). */
  readonly unanswered: (now: number) => number
  /** Whether anybody waits for an answer of the peer's. */
  readonly isAwaited: () => boolean
}

/**
 * @internal
 */
export interface RedemptionOptions {
  readonly core: Core
  readonly store: RemoteStore["Type"]
  readonly config: Options
  /** What is on record. */
  readonly found: ReadonlyArray<StoredRedemption>
  /** Somebody begins to wait, or waits no longer. */
  readonly onAwaited: () => void
  /** Sends a request in one transaction with what `along` does there. */
  readonly ask: (
    request: Extract<Content, { _tag: "RedeemUrl" }>,
    along: Effect.Effect<void, StoreError>
  ) => Effect.Effect<unknown, DeliverError>
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** 128 bits: unique among all of this kernel's lives, and not to be foretold. */
const makeReplyKey = Effect.map(
  Effect.flatMap(Entropy, ({ bytes }) => bytes(16)),
  hex
)

/** At once where the platform can (Node), so that joining a request does not depend on how busy the machine is. */
const digestOf = (url: string): Effect.Effect<string> =>
  Effect.suspend(() => {
    const digest = sha256.encode(new TextEncoder().encode(url))
    return Effect.map(digest instanceof Uint8Array ? Effect.succeed(digest) : Effect.promise(() => digest), hex)
  })

/**
 * Redemptions are on record from the transaction that sends the request until the answer is given to who asked: after a crash,
 * whoever asks for the same URL joins the request that is under way, and the answer is never given to anybody else.
 *
 * @internal
 */
export const makeRedemptions = ({ ask, config, core, found, onAwaited, store }: RedemptionOptions): Redemptions => {
  const { peerId } = core
  const timeout = Duration.times(config.ackTimeout, config.redemptionRetries + 1)
  const asked = new Map<string, Asked>(
    found.map((stored) => [stored.replyKey, { stored, waiters: new Set(), answer: stored.answer }])
  )

  const isOver = ({ stored, waiters }: Asked, now: number) => waiters.size === 0 && stored.expiresAt <= now

  /** Takes what is over off the record, in the transaction of a new request. */
  const sweep = (now: number) =>
    Effect.forEach(
      [...asked.values()].filter((it) => isOver(it, now)),
      ({ stored: { replyKey } }) => {
        core.staged.after.push(() => asked.delete(replyKey))
        return store.removeRedemption(peerId, replyKey)
      },
      { discard: true }
    )

  const askAnew = (url: OcapUrl, urlDigest: string, now: number) =>
    Effect.gen(function* () {
      const current = [...asked.values()].filter((it) => !isOver(it, now)).length
      if (current >= maxRedemptions) {
        return yield* new ResourceLimitError({ limit: "redemptions", current, max: maxRedemptions })
      }
      const replyKey = yield* makeReplyKey
      const expiresAt = now + Duration.toMillis(timeout)
      const stored: StoredRedemption = { peerId, replyKey, urlDigest, expiresAt, answer: undefined }
      const one: Asked = { stored, waiters: new Set(), answer: undefined }
      const record = Effect.suspend(() => {
        core.staged.after.push(() => asked.set(replyKey, one))
        return store.putRedemption(stored)
      })
      yield* ask({ _tag: "RedeemUrl", url, replyKey }, Effect.zipRight(sweep(now), record))
      return one
    })

  const answerTo = (one: Asked) =>
    Effect.suspend(() => {
      if (one.answer !== undefined) return Effect.succeed(one.answer)
      return Effect.flatMap(Deferred.make<Answer, OutcomeUnknownError | NetworkStoppedError>(), (waiter) => {
        one.waiters.add(waiter)
        onAwaited()
        return Effect.ensuring(
          Deferred.await(waiter),
          Effect.sync(() => {
            one.waiters.delete(waiter)
            onAwaited()
          })
        )
      })
    })

  /** The answer is given to who asked; what comes next is another question. */
  const forget = ({ stored: { replyKey } }: Asked) =>
    Effect.suspend(() =>
      asked.delete(replyKey)
        ? Effect.catchAll(store.removeRedemption(peerId, replyKey), (error) =>
            Effect.logWarning("an answered redemption stays on record until it expires", error)
          )
        : Effect.void
    )

  const question = (url: OcapUrl) =>
    Effect.gen(function* () {
      const urlDigest = yield* digestOf(url)
      const now = yield* Clock.currentTimeMillis
      const underWay = [...asked.values()].find(
        ({ stored }) => stored.urlDigest === urlDigest && stored.expiresAt > now
      )
      const one = underWay ?? (yield* askAnew(url, urlDigest, now))
      return { one, answer: yield* answerTo(one) }
    })

  const redeem = Effect.fn("RemoteHandle.redeemOcapUrl")(function* (url: OcapUrl) {
    if (yield* store.inTransaction) {
      return yield* Effect.dieMessage("redeemOcapUrl waits for the peer, so it cannot run inside of a transaction")
    }
    const { answer, one } = yield* Effect.timeoutFail(question(url), {
      duration: timeout,
      onTimeout: () => new RedemptionTimeoutError({ peerId, timeout })
    })
    yield* forget(one)
    return answer.ok ? answer.value : yield* new RedemptionRefusedError({ peerId, reason: answer.value })
  })

  const settle = (one: Asked, answer: Answer): void => {
    one.answer ??= answer
    for (const waiter of one.waiters) Deferred.unsafeDone(waiter, Effect.succeed(one.answer))
  }

  return {
    redeem,
    answer: ({ ok, replyKey, value }) =>
      Effect.gen(function* () {
        const one = asked.get(replyKey)
        if (one === undefined) return yield* Effect.logDebug("the answer to an unknown redemption is ignored")
        if (isOver(one, yield* Clock.currentTimeMillis)) {
          core.staged.after.push(() => asked.delete(replyKey))
          yield* store.removeRedemption(peerId, replyKey)
          return yield* Effect.logWarning("the answer to a redemption came too late and is ignored")
        }
        core.staged.after.push(() => settle(one, { ok, value }))
        yield* store.putRedemption({ ...one.stored, answer: { ok, value } })
      }),
    unanswered: (now) => {
      const open = (it: Asked) => it.waiters.size > 0 || (it.answer === undefined && it.stored.expiresAt > now)
      return [...asked.values()].filter(open).length
    },
    reject: (why) => {
      for (const { waiters } of asked.values()) {
        for (const waiter of waiters) Deferred.unsafeDone(waiter, Effect.fail(why))
      }
      asked.clear()
    },
    isAwaited: () => [...asked.values()].some(({ answer, waiters }) => answer === undefined && waiters.size > 0)
  }
}

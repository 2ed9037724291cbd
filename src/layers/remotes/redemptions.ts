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
import { SparseMap } from "../../internal/sparseMap.ts"
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
 * @internal
 */
export interface RedemptionOptions {
  readonly core: Core
  readonly store: RemoteStore["Type"]
  readonly config: Options
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

const isOver = ({ stored, waiters }: Asked, now: number): boolean => waiters.size === 0 && stored.expiresAt <= now

const settle = (one: Asked, answer: Answer): void => {
  one.answer ??= answer
  for (const waiter of one.waiters) Deferred.unsafeDone(waiter, Effect.succeed(one.answer))
}

/**
 * What a peer was asked for, in this life of the kernel or one before it.
 *
 * Redemptions are on record from the transaction that sends the request until the answer is given to who asked: after a crash,
 * whoever asks for the same URL joins the request that is under way, and the answer is never given to anybody else.
 *
 * @internal
 */
export class Redemptions {
  readonly #options: RedemptionOptions
  readonly #asked = new SparseMap<string, Asked>()

  constructor(options: RedemptionOptions, found: ReadonlyArray<StoredRedemption>) {
    this.#options = options
    for (const stored of found) {
      this.#asked.set(stored.replyKey, { stored, waiters: new Set(), answer: stored.answer })
    }
  }

  redeem(url: OcapUrl): ReturnType<RemoteHandleService["redeemOcapUrl"]> {
    return Effect.gen(this, function* () {
      const { core, store } = this.#options
      if (yield* store.inTransaction) {
        return yield* Effect.dieMessage("redeemOcapUrl waits for the peer, so it cannot run inside of a transaction")
      }
      const { peerId } = core
      const timeout = this.#timeout
      const { answer, one } = yield* Effect.timeoutFail(this.#question(url), {
        duration: timeout,
        onTimeout: () => new RedemptionTimeoutError({ peerId, timeout })
      })
      yield* this.#forget(one)
      return answer.ok ? answer.value : yield* new RedemptionRefusedError({ peerId, reason: answer.value })
    }).pipe(Effect.withSpan("RemoteHandle.redeemOcapUrl"))
  }

  /** Takes the peer's answer, in the transaction of its receipt. */
  answer({ ok, replyKey, value }: Extract<Content, { _tag: "RedeemUrlReply" }>): Effect.Effect<void, StoreError> {
    return Effect.gen(this, function* () {
      const { core, store } = this.#options
      const one = this.#asked.get(replyKey)
      if (one === undefined) return yield* Effect.logDebug("the answer to an unknown redemption is ignored")
      if (isOver(one, yield* Clock.currentTimeMillis)) {
        core.staged.after.push(() => this.#asked.delete(replyKey))
        yield* store.removeRedemption(core.peerId, replyKey)
        return yield* Effect.logWarning("the answer to a redemption came too late and is ignored")
      }
      core.staged.after.push(() => settle(one, { ok, value }))
      yield* store.putRedemption({ ...one.stored, answer: { ok, value } })
    })
  }

  /** How many answers somebody waits for, or may ask for after a crash, at this time (ms since the Unix epoch). */
  unanswered(now: number): number {
    const isOpen = (it: Asked) => it.waiters.size > 0 || (it.answer === undefined && it.stored.expiresAt > now)
    return [...this.#asked.values()].filter(isOpen).length
  }

  /** Tells those who wait that no answer will come. What is on record goes with the conversation (`stageEnding`). */
  reject(why: OutcomeUnknownError | NetworkStoppedError): void {
    for (const { waiters } of this.#asked.values()) {
      for (const waiter of waiters) Deferred.unsafeDone(waiter, Effect.fail(why))
    }
    this.#asked.clear()
  }

  /** Whether anybody waits for an answer of the peer's. */
  get isAwaited(): boolean {
    for (const { answer, waiters } of this.#asked.values()) if (answer === undefined && waiters.size > 0) return true
    return false
  }

  get #timeout(): Duration.Duration {
    const { ackTimeout, redemptionRetries } = this.#options.config
    return Duration.times(ackTimeout, redemptionRetries + 1)
  }

  /** Takes what is over off the record, in the transaction of a new request. */
  #sweep(now: number): Effect.Effect<void, StoreError> {
    const { core, store } = this.#options
    return Effect.forEach(
      [...this.#asked.values()].filter((it) => isOver(it, now)),
      ({ stored: { replyKey } }) => {
        core.staged.after.push(() => this.#asked.delete(replyKey))
        return store.removeRedemption(core.peerId, replyKey)
      },
      { discard: true }
    )
  }

  #question(url: OcapUrl) {
    return Effect.gen(this, function* () {
      const urlDigest = yield* digestOf(url)
      const now = yield* Clock.currentTimeMillis
      const isSame = ({ stored }: Asked) => stored.urlDigest === urlDigest && stored.expiresAt > now
      const underWay = [...this.#asked.values()].find(isSame)
      const one = underWay ?? (yield* this.#askAnew(url, urlDigest, now))
      return { one, answer: yield* this.#answerTo(one) }
    })
  }

  #askAnew(url: OcapUrl, urlDigest: string, now: number) {
    return Effect.gen(this, function* () {
      const { ask, core, store } = this.#options
      const { peerId } = core
      const current = [...this.#asked.values()].filter((it) => !isOver(it, now)).length
      if (current >= maxRedemptions) {
        return yield* new ResourceLimitError({ limit: "redemptions", current, max: maxRedemptions })
      }
      const replyKey = yield* makeReplyKey
      const expiresAt = now + Duration.toMillis(this.#timeout)
      const stored: StoredRedemption = { peerId, replyKey, urlDigest, expiresAt, answer: undefined }
      const one: Asked = { stored, waiters: new Set(), answer: undefined }
      const record = Effect.suspend(() => {
        core.staged.after.push(() => this.#asked.set(replyKey, one))
        return store.putRedemption(stored)
      })
      yield* ask({ _tag: "RedeemUrl", url, replyKey }, Effect.zipRight(this.#sweep(now), record))
      return one
    })
  }

  #answerTo(one: Asked) {
    const { onAwaited } = this.#options
    return Effect.suspend(() => {
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
  }

  /** The answer is given to who asked; what comes next is another question. */
  #forget({ stored: { replyKey } }: Asked): Effect.Effect<void> {
    const { core, store } = this.#options
    return Effect.suspend(() =>
      this.#asked.delete(replyKey)
        ? Effect.catchAll(store.removeRedemption(core.peerId, replyKey), (error) =>
            Effect.logWarning("an answered redemption stays on record until it expires", error)
          )
        : Effect.void
    )
  }
}

/**
 * A kernel's dealings with one peer: it sends numbered messages in turns, and asks again and again what the peer's URL names. A
 * turn's messages and its rows are one transaction, so that after a crash the table says where to go on.
 */
import { OcapUrl, type RemoteHandle, Remotes, RemoteStore } from "effect-remotes"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import * as Letter from "../processes/letter.ts"
import { redeem } from "../processes/redeemed.ts"
import type * as Ledger from "./ledger.ts"
import type { Live, Peer, Relation } from "./lines.ts"
import { sizeOf } from "./manners.ts"

type Handle = RemoteHandle.RemoteHandleService

/** Waits until `isIt` holds of a value, now or after one of its changes. */
const until = <A, E, R>(changes: Stream.Stream<A, E, R>, isIt: (value: A) => boolean) =>
  Effect.asVoid(Stream.runHead(Stream.filter(changes, isIt)))

const sendAll = Effect.fnUntraced(function* ({ ledger, live, upTo }: Talk, handle: Handle, target: string) {
  const store = yield* RemoteStore.RemoteStore
  const send = Effect.gen(function* () {
    // Its answers to the peer take numbers as well, so that each transaction looks anew.
    const last = yield* ledger.last("sent", handle.peerId)
    const count = Math.min(live.turn, (yield* upTo) - last)
    if (count <= 0) return last
    const numbers = Array.from({ length: count }, (_, index) => last + 1 + index)
    yield* ledger.note("sent", handle.peerId, numbers)
    yield* Effect.forEach(numbers, (number) => handle.deliver(Letter.make(target, number, sizeOf(number, live.size))), {
      discard: true
    })
    return last + count
  })
  let sent = 0
  while (true) {
    yield* until(upTo.changes, (limit) => limit > sent)
    // Inside a transaction `deliver` does not wait for room, so the wait comes before it.
    yield* until(handle.changes, ({ pendingMessages }) => pendingMessages < live.window)
    sent = yield* store.transaction(send)
    yield* Effect.sleep(yield* Random.nextIntBetween(0, live.rest + 1))
  }
})

/** What came of each question is on record; what an answer may be, the checker knows. */
const askAgain = ({ ledger, live, upTo }: Talk, handle: Handle, url: OcapUrl.OcapUrl) =>
  until(upTo.changes, (limit) => limit > 0).pipe(
    Effect.zipRight(handle.redeemOcapUrl(url)),
    Effect.catchTag(
      "RedemptionTimeoutError",
      "RedemptionRefusedError",
      "PeerRestartedError",
      "SessionResetError",
      ({ _tag }) => Effect.succeed(_tag)
    ),
    Effect.flatMap((answer) => ledger.noteAsked(handle.peerId, answer)),
    Effect.delay(live.ask),
    Effect.forever
  )

/** Counts how often the link opens. */
const countOpenings = (handle: Handle, opened: Ref.Ref<number>) =>
  handle.changes.pipe(
    Stream.map(({ link }) => (link._tag === "Open" ? link.since : undefined)),
    Stream.changes,
    Stream.runForEach((since) => (since === undefined ? Effect.void : Ref.update(opened, (times) => times + 1)))
  )

/**
 * What a kernel needs to talk.
 */
export interface Talk {
  readonly live: typeof Live.Type
  readonly ledger: Ledger.Ledger
  readonly upTo: SubscriptionRef.SubscriptionRef<number>
}

/**
 * Begins to deal with a peer, for as long as the scope is open: answers with how to see how it stands, and with what ends only
 * when it fails.
 */
export const begin = Effect.fnUntraced(function* (talk: Talk, { url }: typeof Peer.Type) {
  const { ledger } = talk
  const { hints, host } = yield* OcapUrl.parse(url)
  const handle = yield* Effect.flatMap(Remotes.Remotes, (remotes) => remotes.get(host, { hints }))
  const opened = yield* Ref.make(0)
  const sending = Effect.flatMap(redeemPatiently(handle, url), (reference) =>
    Effect.all([sendAll(talk, handle, Letter.turnRound(reference)), askAgain(talk, handle, url)], {
      concurrency: "unbounded",
      discard: true
    })
  )
  const relation = Effect.gen(function* () {
    // In this order: whatever was sent in answer to what is received is counted, and what is sent in between is pending.
    const received = yield* ledger.last("received", handle.peerId)
    const sent = yield* ledger.last("sent", handle.peerId)
    const { link, pendingMessages, resent } = yield* handle.status
    const pending = pendingMessages
    return {
      peer: host,
      sent,
      received,
      pending,
      link: link._tag,
      opened: yield* opened,
      resent
    } satisfies typeof Relation.Type
  })
  const working = Effect.all([sending, countOpenings(handle, opened)], { concurrency: "unbounded", discard: true })
  return { relation, working }
})

/** The first time it waits for the peer as long as it takes. */
const redeemPatiently = (handle: Handle, url: OcapUrl.OcapUrl) =>
  Effect.retry(redeem(handle, url), { while: ({ _tag }) => _tag === "RedemptionTimeoutError" })

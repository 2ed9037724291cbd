/**
 * Alice: redeems bob's URL, and sends him numbered messages in turns. A turn's messages and its rows in the table `sent` are
 * one transaction, so that after a crash the table says where to go on.
 */
import { KernelPort, OcapUrl, type RemoteHandle, Remotes, RemoteStore } from "effect-remotes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Ledger from "./ledger.ts"
import * as Letter from "../processes/letter.ts"
import type { Instruction, Report, Send } from "./lines.ts"
import * as Network from "../processes/network.ts"
import { redeem } from "../processes/redeemed.ts"

type Handle = RemoteHandle.RemoteHandleService

const refused = new KernelPort.DeliveryRefused({ code: "NotUnderstood", reason: "alice only sends" })

const layerPort = Layer.succeed(KernelPort.KernelPort, {
  receive: () => refused,
  redeem: () => refused,
  forget: (peer, why) => Effect.logError(`The conversation with ${peer} began anew`, why)
})

/** Waits until `isIt` holds of a value, now or after one of its changes. */
const until = <A, E, R>(changes: Stream.Stream<A, E, R>, isIt: (value: A) => boolean) =>
  Effect.asVoid(Stream.runHead(Stream.filter(changes, isIt)))

/** Sends as far as `upTo` says, from where the table ends, and then waits for it to rise. */
const sendAll = Effect.fnUntraced(function* (
  handle: Handle,
  target: string,
  { size, turn, window }: typeof Send.Type,
  upTo: SubscriptionRef.SubscriptionRef<number>
) {
  const store = yield* RemoteStore.RemoteStore
  const ledger = yield* Ledger.open("sent")
  const send = Effect.fnUntraced(function* (numbers: ReadonlyArray<number>) {
    yield* ledger.write(numbers)
    yield* Effect.forEach(numbers, (number) => handle.deliver(Letter.make(target, number, size)), { discard: true })
  })
  let sent = yield* ledger.count
  while (true) {
    yield* until(upTo.changes, (limit) => limit > sent)
    // Inside a transaction `deliver` does not wait for room, so the wait comes before it.
    yield* until(handle.changes, ({ pendingMessages }) => pendingMessages < window)
    const count = Math.min(turn, (yield* upTo) - sent)
    yield* store.transaction(send(Array.from({ length: count }, (_, index) => sent + 1 + index)))
    sent += count
  }
})

/** Counts how often the link opens. */
const countOpenings = (handle: Handle, opened: Ref.Ref<number>) =>
  handle.changes.pipe(
    Stream.map(({ link }) => (link._tag === "Open" ? link.since : undefined)),
    Stream.changes,
    Stream.runForEach((since) => (since === undefined ? Effect.void : Ref.update(opened, (times) => times + 1)))
  )

const obey = <E>(
  instructions: Mailbox.ReadonlyMailbox<Instruction, E>,
  upTo: SubscriptionRef.SubscriptionRef<number>
) =>
  Stream.runForEach(Mailbox.toStream(instructions), (it) =>
    it._tag === "Allow" ? SubscriptionRef.set(upTo, it.upTo) : Effect.void
  )

/** What there is to say, whenever it changes, at most twenty times a second. */
const reports = Effect.fnUntraced(function* (handle: Handle, opened: Ref.Ref<number>) {
  const ledger = yield* Ledger.open("sent")
  const report = Effect.gen(function* () {
    // In this order, a message that is sent in between counts as unacknowledged.
    const sent = yield* ledger.count
    const { link, pendingMessages, resent } = yield* handle.status
    const acknowledged = Math.max(0, sent - pendingMessages)
    return { _tag: "Sent", sent, acknowledged, link: link._tag, opened: yield* opened, resent } as const
  })
  return Stream.changesWith(
    Stream.repeatEffectWithSchedule(report, Schedule.spaced("50 millis")),
    (before, after) =>
      before.sent === after.sent &&
      before.acknowledged === after.acknowledged &&
      before.link === after.link &&
      before.opened === after.opened &&
      before.resent === after.resent
  )
})

/**
 * Alice's life, as what she reports about her sending. Goes on for as long as somebody listens to her.
 */
export const life = <E>(first: typeof Send.Type, later: Mailbox.ReadonlyMailbox<Instruction, E>) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { hints, host } = yield* OcapUrl.parse(first.url)
      const handle = yield* Effect.flatMap(Remotes.Remotes, (remotes) => remotes.get(host, { hints }))
      const upTo = yield* SubscriptionRef.make(first.upTo)
      const opened = yield* Ref.make(0)
      const sending = Effect.flatMap(redeem(handle, first.url), (reference) =>
        sendAll(handle, Letter.turnRound(reference), first, upTo)
      )
      const working = Effect.all([sending, countOpenings(handle, opened), obey(later, upTo)], {
        concurrency: "unbounded",
        discard: true
      })
      return Stream.merge(yield* reports(handle, opened), Stream.drain(Stream.fromEffect(working)))
    })
  ).pipe(
    Stream.map((report): Report => report),
    Stream.provideSomeLayer(
      Network.layerRemotes([]).pipe(Layer.provide(layerPort), Layer.provideMerge(Network.layerStore(first.store)))
    )
  )

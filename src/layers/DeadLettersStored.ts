/**
 * `DeadLetters` on a `RemoteStore`; what is driven again goes through `Remotes` and `KernelPort`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { DeadLetterNotFoundError, NotRedrivableError } from "../errors/DeadLetterError.ts"
import type { StoreError } from "../errors/StoreError.ts"
import type { Delivery } from "../protocol/Delivery.ts"
import * as WireMessage from "../protocol/WireMessage.ts"
import type { Content, Filter, Redriven } from "../services/DeadLetters.ts"
import { DeadLetters } from "../services/DeadLetters.ts"
import type { KernelBusy } from "../services/KernelPort.ts"
import { DeliveryRefused, KernelPort } from "../services/KernelPort.ts"
import { Remotes } from "../services/Remotes.ts"
import { RemotesConfig } from "../services/RemotesConfig.ts"
import type { DeadLetter } from "../services/RemoteStore.ts"
import { RemoteStore } from "../services/RemoteStore.ts"

/** How many letters are read at once; each may have a megabyte. */
const pageLength = 32

const cleaningInterval = Duration.days(1)

const matches =
  ({ direction, peerId, reason }: Filter) =>
  (letter: DeadLetter): boolean =>
    (peerId ?? letter.peerId) === letter.peerId &&
    (direction ?? letter.direction) === letter.direction &&
    (reason ?? letter.reason) === letter.reason

const open = ({ body }: DeadLetter): Content => {
  const content = WireMessage.decodeBody(body)
  switch (content._tag) {
    case "Deliver":
      return { _tag: "Delivery", delivery: content.delivery }
    case "RedeemUrl":
      return { _tag: "Redemption", url: Redacted.make(content.url) }
    case "RedeemUrlReply":
      return { _tag: "RedemptionReply", ok: content.ok, value: content.value }
    case "Rejected":
      return { _tag: "Refusal", seq: content.seq, code: content.code, reason: content.reason }
    case "Abandoned":
      return { _tag: "Unreadable", reason: "it stands for a message that ended before it was sent" }
    case "Malformed":
      return { _tag: "Unreadable", reason: content.reason }
  }
}

const deliveryIn = (letter: DeadLetter): Effect.Effect<Delivery, NotRedrivableError> => {
  const content = open(letter)
  if (content._tag === "Delivery") return Effect.succeed(content.delivery)
  const reason = content._tag === "Unreadable" ? "Unreadable" : "NotADelivery"
  return new NotRedrivableError({ id: letter.id, reason })
}

/** A kernel that dies on a letter again has refused it again; the transaction is undone in either case. */
const offer = (
  port: KernelPort["Type"],
  letter: DeadLetter,
  delivery: Delivery
): Effect.Effect<Redriven, DeliveryRefused | KernelBusy> =>
  port.receive(letter.peerId, delivery).pipe(
    Effect.catchAllDefect((defect) =>
      Effect.zipRight(
        Effect.logError(`the kernel's handler died on dead letter ${letter.id}`, Cause.die(defect)),
        new DeliveryRefused({ code: "HandlerFailed", reason: "the kernel failed on the message" })
      )
    ),
    Effect.as({ _tag: "Received", delivery })
  )

/** Removes what is too old, now and every day; a store that does not take it is asked again the next day. */
const clean = (store: RemoteStore["Type"], maxAge: Duration.Duration) =>
  Clock.currentTimeMillis.pipe(
    Effect.flatMap((now) => store.removeDeadLettersBefore(now - Duration.toMillis(maxAge))),
    Effect.tap((count) =>
      count > 0 ? Effect.logInfo(`dead letters that were too old and are gone: ${count}`) : Effect.void
    ),
    Effect.catchAll((error) => Effect.logWarning("old dead letters stay in the store for now", error)),
    Effect.zipRight(Effect.sleep(cleaningInterval)),
    Effect.forever,
    Effect.annotateLogs({ package: "effect-remotes", module: "DeadLetters" })
  )

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.gen(function* () {
  const { deadLetterMaxAge } = yield* RemotesConfig
  const store = yield* RemoteStore
  const remotes = yield* Remotes
  const port = yield* KernelPort
  yield* Effect.forkScoped(clean(store, deadLetterMaxAge))

  const find = (id: number): Effect.Effect<DeadLetter, DeadLetterNotFoundError | StoreError> =>
    Effect.flatMap(
      store.findDeadLetter(id),
      Option.match({ onNone: () => new DeadLetterNotFoundError({ id }), onSome: Effect.succeed })
    )
  /** Only the one who removes a letter may do something with it. */
  const remove = (id: number) => Effect.zipLeft(find(id), store.removeDeadLetter(id))

  const list = (filter: Filter = {}) =>
    Stream.paginateChunkEffect(0, (afterId) =>
      Effect.map(store.listDeadLetters({ afterId, limit: pageLength }), (letters) => [
        Chunk.unsafeFromArray(letters.filter(matches(filter))),
        letters.length < pageLength ? Option.none() : Option.map(Option.fromNullable(letters.at(-1)), ({ id }) => id)
      ])
    )

  const redrive = Effect.fn("DeadLetters.redrive")(function* (id: number) {
    const letter = yield* find(id)
    const delivery = yield* deliveryIn(letter)
    if (letter.direction === "inbound") {
      return yield* store.transaction(Effect.zipRight(remove(id), offer(port, letter, delivery)))
    }
    // A handle that is made here has fibers, which must not be part of the transaction.
    const handle = yield* Effect.catchTag(remotes.get(letter.peerId), "InvalidAddressError", Effect.die) // no hints, none wrong
    const receipt = yield* store.transaction(Effect.zipRight(remove(id), handle.deliver(delivery)))
    return { _tag: "Delivered", receipt } satisfies Redriven
  })

  return DeadLetters.of({
    list,
    inspect: Effect.fn("DeadLetters.inspect")(function* (id) {
      const letter = yield* find(id)
      return { letter, content: open(letter) }
    }),
    redrive,
    drop: Effect.fn("DeadLetters.drop")((id) => Effect.asVoid(store.transaction(remove(id))))
  })
})

/**
 * The dead letters of the store. Removes those that are too old at start, and daily.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<DeadLetters, never, RemoteStore | Remotes | KernelPort> = Layer.scoped(
  DeadLetters,
  make
)

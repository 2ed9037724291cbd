/**
 * What a kernel does with what it receives.
 */
import { KernelPort, type Remotes } from "effect-remotes"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Letter from "../processes/letter.ts"
import type * as Ledger from "./ledger.ts"
import type { Live } from "./lines.ts"
import { does, sizeOf } from "./manners.ts"

/** What a kernel's URL names, and how it and its peers then speak of it. */
export const inbox = "inbox"

/** How a kernel speaks of its own inbox. */
export const named = "ro+1"

/** How its peers speak of it. */
export const theirs = Letter.turnRound(named)

const refused = (reason: string) => new KernelPort.DeliveryRefused({ code: "NotUnderstood", reason })

/**
 * The port; the kernel's remotes are for its answers, once they are there.
 */
export const layer = (
  { manners, size }: typeof Live.Type,
  ledger: Ledger.Ledger,
  remotes: Deferred.Deferred<Remotes.Remotes["Type"]>
) => {
  const kept = new Set<string>()
  const answer = Effect.fnUntraced(function* (peer: string) {
    const handle = yield* Effect.flatMap(Deferred.await(remotes), (it) => it.get(peer))
    const number = (yield* ledger.last("sent", peer)) + 1
    yield* ledger.note("sent", peer, [number])
    yield* handle.deliver(Letter.make(theirs, number, sizeOf(number, size)))
  })
  const take = Effect.fnUntraced(function* (peer: string, number: number) {
    if (does(manners.refuses, number)) return yield* refused("its number is to be refused")
    if (does(manners.dies, number)) return yield* Effect.dieMessage("its number is to be died of")
    const key = `${peer} ${number}`
    if (does(manners.busy, number) && !kept.has(key)) {
      kept.add(key)
      return yield* new KernelPort.KernelBusy({})
    }
    // The transaction in which this runs holds the receipt as well: all of it is committed, or nothing is.
    const writing = ledger.note("received", peer, [number])
    const all = does(manners.answers, number) ? Effect.zipRight(writing, answer(peer)) : writing
    return yield* Effect.mapError(all, (cause) => new KernelPort.KernelBusy({ cause }))
  })
  return Layer.succeed(KernelPort.KernelPort, {
    receive: (peer, delivery) =>
      Option.match(Letter.numberOf(theirs, delivery), {
        onNone: () => refused("no numbered message for the inbox"),
        onSome: (number) => take(peer, number)
      }),
    redeem: (_, reference) => (reference === inbox ? Effect.succeed(named) : refused(`nothing is named ${reference}`)),
    forget: (peer, why) => Effect.orDie(ledger.noteTold(peer, why._tag))
  })
}

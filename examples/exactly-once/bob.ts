/**
 * Bob: listens, issues a URL of his inbox, and appends each message that comes to the table `received`.
 */
import { KernelPort, RemoteIdentity, Transport } from "effect-remotes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Ledger from "./ledger.ts"
import * as Letter from "../processes/letter.ts"
import type { Report, Serve } from "./lines.ts"
import * as Network from "../processes/network.ts"

/** What the URL names, and how bob and alice then speak of it. */
const inbox = "inbox"
const named = "ro+1"

const refused = (reason: string) => new KernelPort.DeliveryRefused({ code: "NotUnderstood", reason })

const makePort = Effect.gen(function* () {
  const ledger = yield* Ledger.open("received")
  return KernelPort.KernelPort.of({
    receive: (_, delivery) =>
      Option.match(Letter.numberOf(Letter.turnRound(named), delivery), {
        onNone: () => refused("no numbered message for the inbox"),
        // The transaction in which this runs holds the receipt as well: both are committed, or neither is.
        onSome: (number) => Effect.mapError(ledger.write([number]), (cause) => new KernelPort.KernelBusy({ cause }))
      }),
    redeem: (_, reference) => (reference === inbox ? Effect.succeed(named) : refused(`nothing is named ${reference}`)),
    forget: (peer, why) => Effect.logError(`The conversation with ${peer} began anew`, why)
  })
})

const portOf = (address: string) => Option.fromNullable(/\/tcp\/([0-9]+)/.exec(address)?.[1])

const announce = Effect.fnUntraced(function* ({ publicPort, transport }: typeof Serve.Type) {
  const identity = yield* RemoteIdentity.RemoteIdentity
  const { listenAddresses } = yield* Transport.Transport
  const port = Option.flatMap(Option.fromNullable((yield* listenAddresses)[0]), portOf)
  const suffix = transport === "ws" ? "/ws" : ""
  const hint = `/ip4/127.0.0.1/tcp/${publicPort}${suffix}/p2p/${identity.peerId}`
  const url = yield* identity.issueOcapUrl(inbox, { hints: [hint] })
  return { _tag: "Serving", port: Number(yield* port), url } as const
})

const received = Effect.gen(function* () {
  const ledger = yield* Ledger.open("received")
  const count = Effect.map(ledger.count, (received) => ({ _tag: "Received", received }) as const)
  return Stream.changesWith(
    Stream.repeatEffectWithSchedule(count, Schedule.spaced("50 millis")),
    (before, after) => before.received === after.received
  )
})

const layer = ({ store, transport }: typeof Serve.Type) =>
  Network.layerRemotes([`/ip4/127.0.0.1/tcp/0${transport === "ws" ? "/ws" : ""}`]).pipe(
    Layer.provide(Layer.effect(KernelPort.KernelPort, makePort)),
    Layer.provideMerge(Network.layerStore(store))
  )

/**
 * Bob's life, as what he reports: where he listens, then how much he has received, for as long as somebody listens to him.
 */
export const life = (instruction: typeof Serve.Type) =>
  Stream.unwrap(Effect.map(received, (counts) => Stream.concat(Stream.fromEffect(announce(instruction)), counts))).pipe(
    Stream.map((report): Report => report),
    Stream.provideSomeLayer(layer(instruction))
  )

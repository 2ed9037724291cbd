/**
 * A kernel's life: it listens, issues a URL of its inbox, and deals with every peer that it is told of.
 */
import { RemoteIdentity, Remotes, RemotesConfig, Transport } from "effect-remotes"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Network from "../processes/network.ts"
import * as Ledger from "./ledger.ts"
import type { Instruction, Live, Peer, Relation, Report } from "./lines.ts"
import * as Port from "./port.ts"
import * as Talking from "./talking.ts"

const portOf = (address: string) => Option.fromNullable(/\/tcp\/([0-9]+)/.exec(address)?.[1])

const announce = Effect.fnUntraced(function* (publicPort: number) {
  const identity = yield* RemoteIdentity.RemoteIdentity
  const { listenAddresses } = yield* Transport.Transport
  const port = Option.flatMap(Option.fromNullable((yield* listenAddresses)[0]), portOf)
  const hint = `/ip4/127.0.0.1/tcp/${publicPort}/p2p/${identity.peerId}`
  const url = yield* identity.issueOcapUrl(Port.inbox, { hints: [hint] })
  return { _tag: "Serving", port: Number(yield* port), url } as const
})

/** How it stands with the peers that it deals with, at most twenty times a second. */
const standings = (
  { ledger, upTo }: Talking.Talk,
  relations: ReadonlyArray<Effect.Effect<typeof Relation.Type, unknown>>
) =>
  Stream.repeatEffectWithSchedule(
    Effect.gen(function* () {
      const limit = yield* upTo
      const all = yield* Effect.orDie(Effect.all(relations))
      return { _tag: "Standing", upTo: limit, relations: all, told: yield* ledger.told } as const
    }),
    Schedule.spaced("50 millis")
  )

/** Deals with these peers, and with no others. */
const deal = (talk: Talking.Talk, peers: ReadonlyArray<typeof Peer.Type>) =>
  Stream.unwrap(
    Effect.map(
      Effect.forEach(peers, (peer) => Talking.begin(talk, peer)),
      (talks) =>
        Stream.merge(
          standings(
            talk,
            talks.map(({ relation }) => relation)
          ),
          Stream.drain(
            Stream.fromEffect(
              Effect.all(
                talks.map(({ working }) => working),
                { concurrency: "unbounded", discard: true }
              )
            )
          )
        )
    )
  )

/** The peers that it is told of, now and later; what else it is told, it does. */
const meetings = <E>(
  { live, upTo }: Talking.Talk,
  later: Mailbox.ReadonlyMailbox<Instruction, E>
): Stream.Stream<ReadonlyArray<typeof Peer.Type>, E> =>
  Stream.concat(
    Stream.make(live.peers),
    Stream.filterMapEffect(Mailbox.toStream(later), (it) => {
      switch (it._tag) {
        case "Meet":
          return Option.some(Effect.succeed(it.peers))
        case "Allow":
          return Option.some(Effect.as(SubscriptionRef.set(upTo, it.upTo), undefined))
        case "Live":
          return Option.none()
      }
    }).pipe(Stream.filter((peers) => peers !== undefined))
  )

/**
 * What the kernel reports, for as long as somebody listens to it.
 */
export const life = <E>(live: typeof Live.Type, later: Mailbox.ReadonlyMailbox<Instruction, E>) =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const ledger = yield* Ledger.open
      const self = yield* Deferred.make<Remotes.Remotes["Type"]>()
      const options = yield* RemotesConfig.fromQueryString(live.options)
      const context = yield* Layer.build(
        Network.layerRemotes(["/ip4/127.0.0.1/tcp/0"], { keySeed: live.keySeed, options }).pipe(
          Layer.provide(Port.layer(live, ledger, self))
        )
      )
      const upTo = yield* SubscriptionRef.make(live.upTo)
      const talk = { ledger, live, upTo }
      const reports = Effect.gen(function* () {
        yield* Deferred.succeed(self, yield* Remotes.Remotes)
        const said: Report = yield* announce(live.publicPort)
        const dealing = Stream.flatMap(meetings(talk, later), (peers) => deal(talk, peers), { switch: true })
        return Stream.concat(Stream.make(said), Stream.changesWith(dealing, isSame))
      })
      return Stream.provideSomeContext(Stream.unwrap(reports), context)
    })
  ).pipe(Stream.provideSomeLayer(Network.layerStore(live.store)))

const isSame = (before: Report, after: Report) => JSON.stringify(before) === JSON.stringify(after)

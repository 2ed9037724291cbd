import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ConnectionFactoryMemory from "../../layers/ConnectionFactoryMemory.ts"
import * as RemoteIdentityStored from "../../layers/RemoteIdentityStored.ts"
import * as RemotesDurable from "../../layers/RemotesDurable.ts"
import type { Disk } from "../../layers/RemoteStoreMemory.ts"
import * as RemoteStoreMemory from "../../layers/RemoteStoreMemory.ts"
import * as TransportLinks from "../../layers/TransportLinks.ts"
import type { Delivery } from "../../protocol/Delivery.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import { DeliveryRefused, KernelBusy, KernelPort } from "../../services/KernelPort.ts"
import type { DeliverError, Receipt } from "../../services/RemoteHandle.ts"
import { Remotes } from "../../services/Remotes.ts"
import * as RemotesConfig from "../../services/RemotesConfig.ts"
import { RemoteStore } from "../../services/RemoteStore.ts"
import { Transport } from "../../services/Transport.ts"
import { Network } from "../Network.ts"
import type { Chaos } from "./chaos.ts"
import type { Entry, History } from "./history.ts"

/**
 * A kernel from one start to its end, as its own code sees it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Life {
  readonly name: string
  readonly peerIdOf: (name: string) => PeerId
  readonly nameOf: (peerId: PeerId) => string
  readonly remotes: Effect.Effect<Remotes["Type"]>
  readonly transport: Transport["Type"]
  readonly store: RemoteStore["Type"]
  /** Hands in a message for another kernel; a text becomes the body of a call. What is handed in must differ, to be told apart. */
  readonly send: (to: string, message: string | Delivery) => Effect.Effect<Receipt, DeliverError>
  /** As `send`, inside of a handler: when there is no room, or the store fails, the kernel is busy. */
  readonly reply: (to: string, message: string | Delivery) => Effect.Effect<Receipt, KernelBusy>
  /** Writes into the kernel's own tables: in a turn it commits with it. */
  readonly note: (note: string) => Effect.Effect<void>
  /** What was committed of that, in this life and those before it. */
  readonly notes: () => ReadonlyArray<string>
}

/**
 * The code of a kernel.
 *
 * @since 0.1.0
 * @category models
 */
export type Program = (life: Life) => KernelPort["Type"]

/**
 * What a life is made of.
 *
 * @internal
 */
export interface Birth {
  readonly name: string
  readonly keySeed: Redacted.Redacted<string>
  readonly program: Program
  readonly config: typeof RemotesConfig.Options.Encoded
  readonly disk: Disk
  readonly chaos: Chaos
  readonly history: History
  readonly peers: ReadonlyMap<string, PeerId>
  /** By which relays alone it can be reached; undefined where it can be dialed itself. */
  readonly relays: ReadonlyArray<string> | undefined
  /** Where a kernel is. */
  readonly hintsFor: (peerId: PeerId) => ReadonlyArray<string>
  /** What is committed, and what a turn is about to commit. */
  readonly committed: () => ReadonlyArray<Entry>
  readonly preparing: Array<Entry>
  readonly now: () => number
}

/**
 * The text by which a message is known.
 *
 * @internal
 */
export const textOf = (delivery: Delivery): string =>
  delivery._tag === "Message" ? delivery.methargs.body : JSON.stringify(delivery)

const deliveryOf = (message: string | Delivery): Delivery =>
  typeof message === "string"
    ? { _tag: "Message", target: "ro-1", methargs: { body: message, slots: [] }, result: "rp+1" }
    : message

/** An entry goes with the transaction that it is made in. */
const enter = (store: RemoteStore["Type"], preparing: Array<Entry>, entry: Entry) =>
  store.enlist({
    prepare: Effect.sync(() => void preparing.push(entry)),
    committed: () => undefined,
    rolledBack: () => undefined,
    savepoint: () => () => undefined
  })

const sending = (birth: Birth, life: Pick<Life, "store" | "remotes" | "peerIdOf">): Life["send"] => {
  const { hintsFor, history, name, now, preparing } = birth
  const { peerIdOf, remotes, store } = life
  return (to, message) =>
    Effect.gen(function* () {
      const delivery = deliveryOf(message)
      const peerId = peerIdOf(to)
      const options = { hints: hintsFor(peerId) }
      const handle = yield* Effect.catchTag(
        (yield* remotes).get(peerId, options),
        "InvalidPeerIdError",
        "InvalidAddressError",
        Effect.die
      )
      const sent = { from: name, to, text: textOf(delivery), at: now() }
      if (yield* store.inTransaction) {
        const receipt = yield* handle.deliver(delivery)
        yield* enter(store, preparing, { _tag: "Sent", to, text: sent.text, seq: receipt.seq, at: now() })
        return receipt
      }
      const noteUnknown = Effect.sync(() => history.note({ ...sent, state: "unknown", seq: undefined }))
      const receipt = yield* handle.deliver(delivery).pipe(
        // Nothing of it has happened, unless the kernel died meanwhile.
        Effect.tapError((error) =>
          error._tag === "NetworkStoppedError" || isClosed(error) ? noteUnknown : Effect.void
        ),
        Effect.onInterrupt(() => noteUnknown)
      )
      history.note({ ...sent, state: "accepted", seq: receipt.seq, at: now() })
      return receipt
    })
}

const isClosed = (error: DeliverError): boolean => error._tag === "StoreUnavailableError" && error.reason === "Closed"

/** What the kernel does instead of what it should. */
const misbehaving = ({ chaos }: Birth): Effect.Effect<void, DeliveryRefused | KernelBusy> =>
  Effect.suspend((): Effect.Effect<void, DeliveryRefused | KernelBusy> => {
    const { dice, handler, happened } = chaos
    if (handler === undefined || !dice.chance(handler.probability)) return Effect.void
    happened(handler.does)
    switch (handler.does) {
      case "throws":
        return Effect.dieMessage("the simulation lets this handler die")
      case "rejects":
        return Effect.fail(new DeliveryRefused({ code: "Simulated", reason: "the simulation refuses this" }))
      case "isBusy":
        return Effect.fail(new KernelBusy({}))
      case "isSlow":
        return Effect.sleep(dice.between(50, 2000))
    }
  })

/** The kernel's code, with a record of what it got that commits with what it does. */
const witnessed = (birth: Birth, life: Life, port: KernelPort["Type"]): KernelPort["Type"] => {
  const put = (entry: Entry) => enter(life.store, birth.preparing, entry)
  return {
    receive: (peer, delivery) =>
      put({ _tag: "Received", from: life.nameOf(peer), text: textOf(delivery) }).pipe(
        Effect.zipRight(misbehaving(birth)),
        Effect.zipRight(port.receive(peer, delivery))
      ),
    redeem: port.redeem,
    forget: (peer, why) =>
      Effect.zipRight(put({ _tag: "Told", peer: life.nameOf(peer), why: why._tag }), port.forget(peer, why))
  }
}

/**
 * Starts a kernel that lives until its scope closes.
 *
 * @internal
 */
export const start = (birth: Birth): Effect.Effect<Life, unknown, Network | Scope.Scope> =>
  Effect.gen(function* () {
    const { committed, config, disk, keySeed, name, peers, preparing, program, relays } = birth
    const network = yield* Network
    const self = yield* Deferred.make<Life>()
    const port = Layer.effect(
      KernelPort,
      Effect.map(RemoteStore, (store): KernelPort["Type"] => {
        // The transport is there only once the kernel is; until then nobody calls.
        const later = <A, E>(use: (port: KernelPort["Type"]) => Effect.Effect<A, E>) =>
          Effect.flatMap(Deferred.await(self), (life) => use(ports(life)))
        let made: KernelPort["Type"] | undefined
        const ports = (life: Life) => (made ??= witnessed(birth, { ...life, store }, program(life)))
        return {
          receive: (peer, delivery) => later((it) => it.receive(peer, delivery)),
          redeem: (peer, reference) => later((it) => it.redeem(peer, reference)),
          forget: (peer, why) => later((it) => it.forget(peer, why))
        }
      })
    )
    const context = yield* Layer.build(
      RemotesDurable.layer.pipe(
        Layer.provide(port),
        Layer.provideMerge(TransportLinks.layer),
        Layer.provideMerge(ConnectionFactoryMemory.layerWith(relays === undefined ? {} : { relays })),
        Layer.provideMerge(RemoteIdentityStored.layer({ keySeed })),
        Layer.provideMerge(RemoteStoreMemory.layerDisk(disk)),
        Layer.provide(RemotesConfig.layer(config)),
        Layer.provide(Layer.succeed(Network, network))
      )
    )
    const store = Context.get(context, RemoteStore)
    const base = {
      store,
      remotes: Effect.succeed(Context.get(context, Remotes)),
      peerIdOf: (to: string): PeerId => {
        const peerId = peers.get(to)
        if (peerId === undefined) throw new Error(`the simulation has no kernel ${to}`)
        return peerId
      }
    }
    const send = sending(birth, base)
    const life: Life = {
      ...base,
      name,
      send,
      nameOf: (peerId) => [...peers].find(([, it]) => it === peerId)?.[0] ?? peerId,
      transport: Context.get(context, Transport),
      reply: (to, message) => Effect.mapError(send(to, message), (cause) => new KernelBusy({ cause })),
      note: (note) => enter(store, preparing, { _tag: "Noted", note }),
      notes: () => committed().flatMap((entry) => (entry._tag === "Noted" ? [entry.note] : []))
    }
    yield* Deferred.succeed(self, life)
    return life
  })

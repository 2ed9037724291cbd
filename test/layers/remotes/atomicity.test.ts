/** What belongs together is on record together: at no commit, and after no failure of the store, is one without the other. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { StoreUnavailableError } from "../../../src/errors/StoreError.ts"
import type { Disk, DiskOperation } from "../../../src/layers/RemoteStoreMemory.ts"
import * as RemoteStoreMemory from "../../../src/layers/RemoteStoreMemory.ts"
import type { PeerId } from "../../../src/protocol/PeerId.ts"
import { DeliveryRefused } from "../../../src/services/KernelPort.ts"
import { RemoteStore } from "../../../src/services/RemoteStore.ts"
import { layer as layerNetwork } from "../../../src/testing/Network.ts"
import { addressOf, bodyOf, handleFor, message, numbered, sendAll, startKernel } from "../../support/kernel.ts"
import { peerIds } from "../../support/site.ts"

/** A disk that fails at the next operation of that name when told to, and copies itself at each commit. */
const watchedDisk = () => {
  const copies: Array<Disk> = []
  const refused = new Set<DiskOperation>()
  const disk: Disk = RemoteStoreMemory.makeDisk({
    onCall: (operation) =>
      refused.delete(operation) ? new StoreUnavailableError({ operation, reason: "Failed" }) : Effect.void,
    onDone: (operation) =>
      operation === "commit" ? Effect.map(disk.copy, (copy) => void copies.push(copy)) : Effect.void
  })
  return { copies, disk, refuse: (operation: DiskOperation) => void refused.add(operation), refused }
}

type Store = RemoteStore["Type"]

const reading = <A, E>(disk: Disk, read: (store: Store) => Effect.Effect<A, E>) =>
  Effect.scoped(
    Effect.flatMap(Layer.build(RemoteStoreMemory.layerDisk(disk)), (it) => read(Context.get(it, RemoteStore)))
  )

/** What a kernel writes of its own: a URL of that name. */
const note = (store: Store, id: string) =>
  Effect.orDie(store.putIssuedUrl({ id, expiresAt: undefined, revoked: false }))

const notes = (store: Store, ids: ReadonlyArray<string>) =>
  Effect.filter(ids, (id) => Effect.map(store.findIssuedUrl(id), Option.isSome))

/** The numbers of a peer as a disk has them, beside the numbers of the messages that it has. */
const numbersOn = (disk: Disk, peer: PeerId) =>
  reading(disk, (store) =>
    Effect.gen(function* () {
      const record = (yield* store.listRemotes).find(({ peerId }) => peerId === peer)
      const pending = yield* store.readPending(peer, { fromSeq: 1, maxMessages: 1000, maxBytes: 1e9 })
      const { acknowledgedSeq = 0, nextSeq = 1 } = record ?? {}
      return { acknowledgedSeq, nextSeq, pending: pending.map(({ seq }) => seq) }
    })
  )

const assertTogether = (copies: ReadonlyArray<Disk>, peer: PeerId) =>
  Effect.forEach(copies, (copy) =>
    Effect.map(numbersOn(copy, peer), ({ acknowledgedSeq, nextSeq, pending }) => {
      assert.deepStrictEqual(
        pending,
        Array.from({ length: nextSeq - 1 - acknowledgedSeq }, (_, at) => acknowledgedSeq + 1 + at)
      )
      return `${acknowledgedSeq} ${nextSeq}`
    })
  )

describe("On record together are", () => {
  it.scoped("a message and its number, whatever fails while it is handed in", () =>
    Effect.gen(function* () {
      const { copies, disk, refuse, refused } = watchedDisk()
      const alice = yield* startKernel("alice", { disk })
      const handle = yield* alice.remotes.get(peerIds.bob, { hints: [addressOf(peerIds.bob)] })
      for (const accepted of [0, 1]) {
        for (const operation of ["begin", "putRemote", "commit"] as const) {
          refuse(operation)
          const error = yield* Effect.flip(handle.deliver(message("never")))
          assert.strictEqual(error._tag, "StoreUnavailableError")
          assert.strictEqual(refused.size, 0)
        }
        const { seq } = yield* handle.deliver(message("accepted"))
        assert.strictEqual(seq, accepted + 1)
      }
      assert.includeMembers(yield* assertTogether(copies, peerIds.bob), ["0 2", "0 3"])
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("an acknowledgement and the end of what it covers, whatever fails while it is recorded", () =>
    Effect.gen(function* () {
      for (const operation of ["putRemote", "commit"] as const) {
        const { copies, disk, refuse, refused } = watchedDisk()
        const alice = yield* startKernel("alice", { disk })
        const bob = yield* startKernel("bob")
        const handle = yield* handleFor(alice, bob)
        yield* Effect.forEach(yield* sendAll(handle, numbered(1, 3)), (receipt) => receipt.acknowledged)
        refuse(operation)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(refused.size, 0)
        yield* handle.deliver(message("4"))
        yield* TestClock.adjust("1 second")
        assert.include(yield* assertTogether(copies, bob.peerId), "4 5")
        yield* Effect.zipRight(alice.stop, bob.stop)
      }
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("the end of a conversation and what the kernel does when it is told", () =>
    Effect.gen(function* () {
      const { copies, disk, refuse } = watchedDisk()
      let told = 0
      const alice = yield* startKernel("alice", {
        disk,
        onForget: (_, store) =>
          Effect.zipRight(
            note(store, "told"),
            Effect.sync(() => {
              told += 1
              if (told === 1) refuse("commit")
            })
          )
      })
      const bob = yield* startKernel("bob")
      const [first] = yield* sendAll(yield* handleFor(alice, bob), ["hello"])
      yield* first?.acknowledged ?? Effect.void
      yield* bob.crash
      const before = copies.length
      yield* startKernel("bob")
      yield* sendAll(yield* handleFor(alice, bob), ["again"])
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(told, 2)
      assert.deepStrictEqual(
        alice.forgotten.map(({ _tag }) => _tag),
        ["PeerRestartedError"]
      )
      const lives = yield* Effect.forEach(copies.slice(before), (copy) =>
        reading(copy, (store) =>
          Effect.map(Effect.all([store.listRemotes, notes(store, ["told"])]), ([[record], noted]) => ({
            incarnationId: record?.incarnationId,
            noted
          }))
        )
      )
      const [former] = lives
      for (const { incarnationId, noted } of lives) {
        assert.deepStrictEqual(noted, incarnationId === former?.incarnationId ? [] : ["told"])
      }
      assert.notStrictEqual(lives.at(-1)?.incarnationId, former?.incarnationId)
    }).pipe(Effect.provide(layerNetwork))
  )

  it.scoped("a receipt and what the handler did, but for a handler that refused or died: nothing of that is left", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", {
        onReceive: (delivery, _, store) =>
          Effect.gen(function* () {
            const body = bodyOf(delivery)
            yield* note(store, body)
            if (body === "refused") return yield* new DeliveryRefused({ code: "No", reason: "on purpose" })
            if (body === "died") return yield* Effect.die("on purpose")
          })
      })
      const bodies = ["taken", "refused", "died", "taken too"]
      const receipts = yield* sendAll(yield* handleFor(alice, bob), bodies)
      yield* Effect.forEach(receipts, (receipt) => Effect.exit(receipt.acknowledged))
      assert.deepStrictEqual(yield* notes(bob.store, bodies), ["taken", "taken too"])
      const [record] = yield* bob.store.listRemotes
      assert.strictEqual(record?.receivedSeq, 4)
    }).pipe(Effect.provide(layerNetwork))
  )
})
